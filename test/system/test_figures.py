# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exact counts: what is written, read and asked for.  Times are printed, never judged."""

import os
import re
import time

from machine import *
from scenes import *

MIB = 1 << 20
WRITING = re.compile(r"\b(write|pwrite64|rename\w*|unlink\w*|mkdir\w*|fallocate|utimensat|"
                     r"ftruncate|sync_file_range|fsync|fdatasync)\(")


def sectors_written(m, x):
    """Sectors that reached the block device of an ESP since it exists."""
    m.sync()
    with open(f"/sys/dev/block/{os.major(m.devno(x))}:{os.minor(m.devno(x))}/stat", encoding="ascii") as file:
        return int(file.read().split()[6])


def traced(m, *words):
    """Run a verb under strace; its lines, with descriptors as paths."""
    path = "/tmp/trace"
    m.run(*words, wrap=["strace", "-f", "-y", "-qq", "-o", path], check=0)
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def on_esps(m, lines, pattern):
    """The lines that match, and are about a file below an ESP or ROOT."""
    place = re.compile(rf"<{m.root}(@[a-z])?(/[^>]*)?>")
    return [line for line in lines if re.search(pattern, line) and place.search(line)]


def memory(pid, field):
    """A field of /proc/PID/status, in kB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(rf"^{field}:\s+(\d+)", file.read(), re.MULTILINE).group(1))


def settled_pair(m, *versions):
    """Two ESPs in sync, whose time stamps are old enough to vouch for the files."""
    install(m, *versions)
    m.run("bind", check=0)
    m.run("sync", check=0)
    time.sleep(2.5)
    m.run("sync", check=0)


@scenario()
def scenario_nothing_changed_nothing_written(m):
    """A round that finds nothing changed writes no byte: not by a system call, not to a device."""
    settled_pair(m, "6.9.1", "6.9.2")
    before = {x: sectors_written(m, x) for x in "ab"}
    lines = traced(m, "sync")
    written = on_esps(m, lines, WRITING)
    expect(not written, "\n".join(written))
    created = on_esps(m, lines, r"O_CREAT")
    expect(not created, "\n".join(created))
    after = {x: sectors_written(m, x) for x in "ab"}
    expect(before == after, f"sectors written: {before} → {after}")


@scenario()
def scenario_nothing_changed_nothing_read(m):
    """Nor does it read a file but the entries: sizes, times and the baseline prove the rest."""
    settled_pair(m, "6.9.1", "6.9.2")
    lines = traced(m, "sync")
    reads = on_esps(m, lines, r"\b(read|pread64|readv)\(")
    payload_reads = [line for line in reads if not re.search(r"\.conf>", line)]
    expect(reads and not payload_reads, "\n".join(payload_reads) or "the trace shows no entry")


@scenario()
def scenario_a_lost_baseline_is_read_for(m):
    """The check above can fail: without the baseline the files are read, and still not written."""
    settled_pair(m, "6.9.1")
    for name in os.listdir("/var/lib/bootsync"):
        os.unlink(f"/var/lib/bootsync/{name}")
    lines = traced(m, "sync")
    expect([line for line in on_esps(m, lines, r"\bread\(") if "/6.9.1/linux" in line], "not read")
    expect(not on_esps(m, lines, WRITING), "written to an ESP")


@scenario(size=160 * MIB, cluster=4096)
def scenario_bytes_written_follow_the_change(m):
    """One file of 16 MB is replaced among others: what reaches the target's device is 1.01 of it."""
    install(m, "6.9.1")
    big = m.add_kernel("6.9.2", where=m.esp("a"), initrd_mb=16, linux_mb=8)
    m.run("bind", check=0)
    m.run("sync", check=0)
    initrd = next(f"{big}/{name}" for name in os.listdir(big) if name.startswith("initrd"))
    write_random(initrd, 16, seed=77)
    before = sectors_written(m, "b")
    m.run("sync", check=0)
    written = (sectors_written(m, "b") - before) * 512
    size = os.path.getsize(initrd)
    print(f"{written} bytes for {size}: {written / size:.4f}")
    # a constant for directories, FAT or block group: 96 KiB
    expect(size <= written <= size * 1.01 + 96 * 1024, f"{written} bytes written for {size}")
    m.assert_mirrored()


def calls_for_an_edit(m, files):
    """System calls of the daemon and its workers for one edited entry among so many files."""
    directory = f"{m.esp('a')}/{m.token}/6.9.1/many"
    os.makedirs(directory, exist_ok=True)
    for i in range(files):
        write(f"{directory}/f{i}", b"x")
    m.sync()
    d = m.start(wrap=["strace", "-f", "-qq", "-o", "/tmp/calls"], timeout=60)
    m.wait_mirrored(timeout=60)
    d.wait_idle(timeout=60, quiet=1)
    with open("/tmp/calls", encoding="utf-8", errors="replace") as file:
        before = len(file.readlines())
    with open(entry(m, "6.9.1"), "a", encoding="ascii") as file:
        file.write("# edited\n")
    m.wait_mirrored(timeout=60)
    d.wait_idle(timeout=60)
    d.stop(timeout=30)
    with open("/tmp/calls", encoding="utf-8", errors="replace") as file:
        return len(file.readlines()) - before


@scenario(timeout=150, size=96 * MIB)
def scenario_cost_follows_the_change(m):
    """One entry edited among many files costs at most twice the calls of the same among few."""
    many = 2000 if m.fs == "ext4" else 300
    install(m, "6.9.1")
    few_calls = calls_for_an_edit(m, 10)
    m.umount(m.root)
    many_calls = calls_for_an_edit(m, many)
    print(f"{few_calls} calls among 10 files, {many_calls} among {many}")
    expect(0 < many_calls <= 2 * few_calls, f"{few_calls} among 10, {many_calls} among {many}")


@scenario()
def scenario_idle(m):
    """While nothing happens: no wakeup, no child, no file of an ESP open, and umount works."""
    d = begin(m, "6.9.1", "6.9.2")
    fields = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    before = [memory(d.pid, field) for field in fields]
    time.sleep(5)
    after = [memory(d.pid, field) for field in fields]
    expect(before == after, f"switches: {before} → {after}")
    with open(f"/proc/{d.pid}/task/{d.pid}/children", encoding="ascii") as file:
        expect(file.read().strip() == "", "a worker is left")
    expect(not d.esp_fds(), f"open: {d.esp_fds()}")
    print(f"idle: {memory(d.pid, 'VmRSS')} kB resident, {memory(d.pid, 'RssAnon')} kB of its own")
    m.umount("b")


@scenario(size=200 * MIB)
def scenario_memory(m):
    """At most 4 MB resident while idle, 0.5 MB of its own, and 8 MB while copying."""
    m.skeleton("a")
    peaks = []
    d = m.start(config=CONFIG + "[Verify]\nAfterCopy=no\n")
    m.add_kernel("6.9.1", initrd_mb=80, linux_mb=15)

    def worker_peak():
        with open(f"/proc/{d.pid}/task/{d.pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                try:
                    peaks.append(memory(child, "VmHWM"))
                except (FileNotFoundError, ProcessLookupError, AttributeError):
                    pass
        return os.path.exists(entry(m, "6.9.1", "b"))
    wait_until(worker_peak, 30, "mirrored")
    d.wait_idle()
    rss, own = memory(d.pid, "VmRSS"), memory(d.pid, "RssAnon")
    print(f"idle {rss} kB, own {own} kB; worker at most {max(peaks, default=0)} kB")
    expect(peaks and max(peaks) <= 8192, f"a worker took {max(peaks, default=0)} kB")
    expect(rss <= 4096, f"{rss} kB resident")
    expect(own <= 512, f"{own} kB of its own")


@scenario()
def scenario_ready_soon_after_the_bind(m):
    """READY=1 follows the bind at once, before anything is mirrored."""
    install(m, "6.9.1")
    d = m.start(wrap=["strace", "-f", "-ttt", "-qq", "-e", "trace=mount,sendmsg,sendto,fork,clone",
                      "-o", "/tmp/ready"])
    m.wait_mirrored()
    d.stop()
    with open("/tmp/ready", encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    bind = next(i for i, line in enumerate(lines) if "mount(" in line and "MS_BIND" in line)
    ready = next(i for i, line in enumerate(lines) if "READY=1" in line)
    work = next(i for i, line in enumerate(lines) if "clone(" in line or "fork(" in line)
    expect(bind < ready < work, "\n".join(lines[:work + 1]))
    print(f"READY=1 {1000 * (float(lines[ready].split()[1]) - float(lines[bind].split()[1])):.1f} "
          "ms after the bind, under strace")
