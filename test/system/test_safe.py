# SPDX-License-Identifier: LGPL-2.1-or-later
"""Safe: whatever breaks, no boot file is lost, overwritten by an older one, or left half written.

Not here, but in test_mirror.py: the guards one by one, and a target that is full from the start.
"""

import os
import re
import shutil
import signal
import subprocess
import time

from machine import *
from scenes import *

# One piece of a copy takes long: there is time to see it half done.
SLOW_COPY = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sync_file_range",
             "-e", "inject=sync_file_range:delay_enter=150000"]
MEMORY = "/var/lib/bootsync"


def traced(*calls, path="/tmp/trace"):
    """A strace that writes these system calls, with the paths of descriptors, to a file."""
    return ["strace", "-f", "-y", "-qq", "-s", "0", "-o", path, "-e", "trace=" + ",".join(calls)]


def calls_of(path="/tmp/trace"):
    """Its lines, each without the process id; what another process cut in two is joined."""
    lines, open_calls = [], {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            pid, _, text = line.rstrip("\n").partition(" ")
            text = text.strip()
            if text.endswith("<unfinished ...>"):
                open_calls[pid] = text[:-len("<unfinished ...>")]
            elif text.startswith("<... "):
                lines.append(open_calls.pop(pid, "") + text.partition("resumed>")[2])
            else:
                lines.append(text)
    return lines


def injected(call, what, path=None, number=None):
    """A strace that injects `what` into a system call, on one path only if one is given."""
    when = f":when={number}" if number else ""
    only = ["-P", path] if path else []
    return ["strace", "-f", "-qq", "-o", "/dev/null", *only, "-e", f"trace={call}",
            "-e", f"inject={call}:{what}{when}"]


def memory_of(m, x="b"):
    """The file that remembers ESP x."""
    return f"{MEMORY}/{m.partuuid(x)}.base"


def sectors_written(m, x):
    """Sectors written to the disk of ESP x so far (an empty flush counts as a write of none)."""
    return writes_of(m, x)[1]


def payload_bytes_read(m, lines):
    """Bytes that were read of files in payload directories, on whichever ESP."""
    total = 0
    for line in lines:
        hit = re.match(rf"p?read(?:64)?\(\d+<{m.root}(?:@.)?/{m.token}/.*\) += (\d+)$", line)
        total += int(hit[1]) if hit else 0
    return total


def expect_whole(m, x, *others):
    """Each file in scope on ESP x is, under its final name, what the source holds, or was in one of
    these earlier trees."""
    wanted = [tree(m.boot_dir()), *others]
    for name, value in tree(m.esp(x)).items():
        ours = name.startswith(tuple(m.scope())) and value[0] == "f"
        if ours and not os.path.basename(name).startswith(".bootsync-"):
            expect(any(there.get(name) == value for there in wanted),
                   f"half written on {x}: {name} {value}")


def expect_bootable(m, x):
    """All that an entry on ESP x names is there."""
    for name in names(m, x):
        with open(f"{m.esp(x)}/loader/entries/{name}", encoding="ascii") as file:
            for path in re.findall(r"^(?:linux|initrd)\s+/(\S+)", file.read(), re.MULTILINE):
                expect(os.path.getsize(f"{m.esp(x)}/{path}") > 0, f"{x}: {name}: {path}")


def expect_kept(before, path, what):
    """No file that was there is gone or changed."""
    after = tree(path)
    lines = [f"{name}: {value} is {after.get(name)}" for name, value in before.items()
             if after.get(name) != value]
    expect(not lines, f"{what}:\n    " + "\n    ".join(lines))


def wait_copying(m, x):
    """Wait until a file is half copied to ESP x; returns the names of temporary files."""
    return wait_until(lambda: leftovers(m.esp(x)), 10, "a copy under way")


# -- the memory

@scenario()
def scenario_second_start_reads_nothing(m):
    """What the baseline knows is not read again: no byte of payload on either ESP."""
    d = begin(m, "6.9.1", "6.9.2")
    time.sleep(2.2)  # time stamps younger than FAT's grain prove nothing
    d.reload()
    d.wait_idle()
    d.stop()
    m.run("sync", check=0, wrap=traced("read", "pread64"))
    first = payload_bytes_read(m, calls_of())
    m.run("sync", check=0, wrap=traced("read", "pread64"))
    second = payload_bytes_read(m, calls_of())
    expect(second == 0, f"read: {first}, then {second}")
    os.unlink(memory_of(m))
    m.run("sync", check=0, wrap=traced("read", "pread64"))
    expect(payload_bytes_read(m, calls_of()) > 600 << 10, "this trace can see nothing")


@scenario(esps="abc")
def scenario_nothing_written_when_nothing_changed(m):
    """Second start, reload, a verb: not one write to a disk, no file of the memory touched."""
    d = begin(m, "6.9.1", "6.9.2")
    time.sleep(2.2)
    d.reload()
    d.wait_idle()
    d.stop()
    m.run("sync", check=0)
    m.sync()
    stamp = {x: os.stat(memory_of(m, x)).st_mtime_ns for x in "bc"}
    before = {x: sectors_written(m, x) for x in "abc"}
    d = m.start()
    d.wait_idle()
    d.reload()
    d.wait_idle()
    d.stop()
    m.run("sync", check=0)
    m.sync()
    for x in "abc":
        expect(sectors_written(m, x) == before[x], f"{x}: {before[x]} sectors were written, and "
               f"{sectors_written(m, x)} after that")
    expect(stamp == {x: os.stat(memory_of(m, x)).st_mtime_ns for x in "bc"}, "memory written")


@scenario()
def scenario_memory_broken(m):
    """A baseline that is lost, torn, damaged, of another source or no baseline: all is compared,
    nothing is written or lost on the target, and the baseline is made anew."""
    synced(m, "6.9.1", "6.9.2")
    path = memory_of(m)
    whole = open(path, "rb").read()
    before = tree(m.esp("b"))
    foreign = whole.replace(m.partuuid("a").encode(), m.partuuid("b").encode())
    expect(foreign != whole, "the baseline does not name its source")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x20
    for name, text in (("lost", None), ("torn", whole[:-7]), ("cut", whole[:len(whole) // 2]),
                       ("flipped", bytes(flipped)), ("foreign", foreign), ("empty", b""),
                       ("zeros", bytes(4096)), ("noise", os.urandom(3000)),
                       ("a line of 100 kB", b"x" * 100000)):
        if text is None:
            os.unlink(path)
        else:
            write(path, text)
        m.sync()
        written = sectors_written(m, "b")
        result = m.run("sync", check=0)
        m.sync()
        expect(sectors_written(m, "b") == written, f"{name}: written to the disk")
        expect_unchanged(before, m.esp("b"), name)  # after that: on vfat, reading writes
        if name in ("empty", "zeros", "noise", "a line of 100 kB"):
            expect(status_of(result, "state-broken"), f"{name}: {result}")
        result = m.run("sync", check=0)
        expect(not status_of(result, "state-broken"), f"{name}, once more: {result}")
    shutil.rmtree(path, ignore_errors=True)
    os.unlink(path)
    os.makedirs(f"{path}/directory")
    result = m.run("sync")
    expect(status_of(result, "state-broken"), f"{result}")
    expect_unchanged(before, m.esp("b"), "a directory in its place")


@scenario()
def scenario_memory_of_removals(m):
    """Without a baseline what the source lacks stays if its modules are there, as with one."""
    synced(m, "6.9.1", "6.9.2")
    before = tree(m.esp("b"))
    m.remove_kernel("6.9.1", modules=False)
    for broken in (False, True):
        if broken:
            os.unlink(memory_of(m))
        result = m.run("sync", check=0)
        expect(status_of(result, "extra"), f"{result}")
        expect_unchanged(before, m.esp("b"), "removed")
    shutil.rmtree("/lib/modules/6.9.1")
    m.run("sync", check=0)
    m.assert_mirrored()


@scenario()
def scenario_var_read_only_or_missing(m):
    """/var read-only, full or missing: mirrored all the same, and said once."""
    m.tmpfs("/var/lib", readonly=True)
    d = begin(m, "6.9.1")
    expect_once(d, "state-failed")
    small(m, "6.9.2")
    m.wait_mirrored()
    d.wait_idle()
    expect_once(d, "state-failed")
    d.stop()
    os.rename("/var", "/rav")
    d = m.start()
    small(m, "6.9.3")
    m.wait_mirrored()
    d.wait_idle()
    expect_once(d, "state-failed")
    before = tree(m.esp("b"))
    d.stop()
    d = m.start()
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "written again")
    os.rename("/rav", "/var")
    m.umount("/var/lib")
    small(m, "6.9.4")
    m.wait_mirrored()
    d.wait_idle()
    expect(os.path.exists(memory_of(m)), "stored once it can be")


# -- deletion guards, and the source in doubt

@scenario(esps="abc")
def scenario_everything_removed_by_hand(m):
    """rm -rf of all that is on ROOT is seen by inotify, and costs no file on any target."""
    d = begin(m, "6.9.1", "6.9.2")
    before = tree(m.esp("b"))
    empty(m.root)
    wait_told(d, "no-loader")
    d.wait_idle()
    for x in "bc":
        expect_unchanged(before, m.esp(x), "ROOT was emptied")
    m.skeleton("a")
    wait_told(d, "newest-missing", timeout=30)
    expect_once(d, "no-loader")
    small(m, "6.9.2", entry=False)
    wait_told(d, "source-not-bootable", timeout=30)
    for x in "bc":
        expect_kept(before, m.esp(x), "the newest kernel has no entry yet")
    m.write_entry(f"{m.token}-6.9.2.conf", version="6.9.2")
    m.wait_mirrored()


@scenario()
def scenario_only_the_newest_payload_left(m):
    """rm -rf of all entries, seen: the source cannot boot, so that nothing goes anywhere."""
    d = begin(m, "6.9.1", "6.9.2")
    before = tree(m.esp("b"))
    empty(f"{m.root}/loader/entries")
    shutil.rmtree(payload(m, "6.9.1"))
    wait_told(d, "source-not-bootable")
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "a source without entries")
    d.reload()
    d.wait_idle()
    expect_once(d, "source-not-bootable")


@scenario()
def scenario_empty_listing(m):
    """Names that vanish while nobody watches, without an error: all stay on the target, said once
    for each directory, again and again looked at."""
    synced(m, "6.9.1", "6.9.2", "6.9.3")
    before = tree(m.esp("b"))
    for path in (payload(m, "6.9.1"), payload(m, "6.9.2")):
        shutil.rmtree(path)
    os.unlink(entry(m, "6.9.2"))
    d = m.start()
    wait_told(d, "extra", "6.9.2")
    d.wait_idle()
    small(m, "6.9.3", seed=1)
    m.wait_mirrored(scope=[f"{m.token}/6.9.3"])
    d.reload()
    d.wait_idle()
    d.stop()
    os.unlink(memory_of(m))
    d = m.start()
    d.wait_idle()
    after = tree(m.esp("b"))
    lost = {name for name in before if name not in after and "6.9.1" not in name}
    expect(not lost, f"removed: {lost}")
    expect(f"{m.token}/6.9.1/linux" in after, "payload of an entry that lost it")


@scenario()
def scenario_swapped(m):
    """Booted from B once, while A is newer: A is refused, and no byte of it changes; booted from A
    again, B catches up."""
    begin(m, "6.9.1").stop()
    small(m, "6.9.2")
    small(m, "6.9.1", seed=1)
    modules("6.9.1")
    m.reboot(booted="b")
    before = tree(m.esp("a"))
    d = m.start()
    wait_told(d, "target-newer", m.esp("a"))
    d.wait_idle()
    small(m, "6.9.1", seed=2)
    d.wait_idle()
    d.reload()
    d.wait_idle()
    expect_unchanged(before, m.esp("a"), "A was newer")
    expect_once(d, "target-newer")
    modules("6.9.1", "6.9.2")
    d.stop()
    m.reboot(booted="b")  # one root file system for both: B lacks the newest kernel
    d = m.start()
    wait_told(d, "newest-missing")
    d.wait_idle()
    expect_unchanged(before, m.esp("a"), "A was newer, and the modules say so")
    m.reboot(booted="a")
    d = m.start()
    m.wait_mirrored("b", source=m.esp("a"))
    d.wait_idle()
    expect_unchanged(before, m.esp("a"), "A is the source")


@scenario(esps="abc")
def scenario_memory_of_another_source(m):
    """A baseline that was made from another ESP says nothing of this one: what that ESP brought to
    a target is of unknown origin here, and stays."""
    synced(m, "6.9.1")
    m.umount("a")
    m.reboot(booted="c")
    small(m, "6.9.2", where=m.esp("c"))
    m.run("bind", check=0)
    m.run("sync")
    m.assert_mirrored("b")
    m.mount("a")
    modules("6.9.1")
    m.reboot(booted="a")
    before = {x: tree(m.esp(x)) for x in "bc"}
    m.run("bind", check=0)
    result = m.run("sync", check=1)
    for x in "bc":
        expect(f"{m.esp(x)} holds the kernel 6.9.2, which is newer" in result.stderr, f"{result}")
        expect_unchanged(before[x], m.esp(x), "known to a baseline of another source")


# -- the end of a process at any moment

@scenario()
def scenario_daemon_killed_midway(m):
    """kill -9 of the daemon ends its worker, too: no half-written file under its final name, no
    entry; the next start converges and leaves nothing behind."""
    d = begin(m, "6.9.1")
    d.stop()
    small(m, "6.9.2", initrd_mb=6)
    small(m, "6.9.1", initrd_mb=6, seed=1)
    old = tree(m.esp("b"))
    d = m.start(wrap=SLOW_COPY)
    wait_copying(m, "b")
    d.kill()
    left = leftovers(m.esp("b"))
    expect(left, "it was killed too late")
    wait_until(lambda: not workers(), 5, "the worker's end")
    expect_whole(m, "b", old)
    expect_bootable(m, "b")
    expect(names(m, "b") == [f"{m.token}-6.9.1.conf"], f"{names(m, 'b')}")
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    expect(not leftovers(m.esp("b")), f"{leftovers(m.esp('b'))}")


def workers():
    """Process ids of workers."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm", encoding="ascii") as file:
                if file.read().startswith("bootsync-worker"[:15]):
                    found.append(int(name))
        except OSError:
            continue
    return found


@scenario(esps="abc")
def scenario_worker_killed_midway(m):
    """kill -9 of the worker alone: said, nothing half written, the other target is served, and this
    one is tried again by itself."""
    install(m, "6.9.1")
    small(m, "6.9.2", initrd_mb=6)
    m.dropin("[Mirror]\nRescanIntervalSec=2s\n")
    d = m.start(wrap=SLOW_COPY)
    wait_copying(m, "b")
    os.kill(workers()[0], signal.SIGKILL)
    wait_told(d, "worker-died", m.esp("b"))
    expect_whole(m, "b")
    expect_bootable(m, "b")
    expect_bootable(m, "c")
    m.wait_mirrored("b", "c", timeout=25)
    wait_until(lambda: not leftovers(m.esp("b"), m.esp("c")), 5, "no leftovers")
    expect_once(d, "worker-died")


@scenario(timeout=90)
def scenario_killed_at_each_call(m):
    """Killed at any system call that changes the target: whole files, complete entries, and the
    next round converges without leftovers."""
    bound(m, "6.9.1", "6.9.2")
    for call, numbers in (("fsync", (1, 2, 5, 9)), ("renameat", (1, 3)), ("write", (4, 9)),
                          ("unlinkat", (1, 3)), ("mkdirat", (1,)), ("utimensat", (2,))):
        for number in numbers if m.fs == "ext4" else numbers[-1:]:  # slow in user-mode Linux
            empty(m.esp("b"))
            small(m, "6.9.1", where=m.esp("b"), seed=9)
            small(m, "6.8.1", where=m.esp("b"))
            shutil.rmtree("/lib/modules/6.8.1", ignore_errors=True)
            shutil.rmtree(MEMORY, ignore_errors=True)
            expect_bootable(m, "b")
            old = tree(m.esp("b"))
            m.run("sync", wrap=injected(call, "signal=KILL", number=number))
            expect_whole(m, "b", old)
            expect_bootable(m, "b")
            m.run("sync", check=0)
            m.assert_mirrored()
            expect(not leftovers(m.esp("b")), f"{call} {number}: {leftovers(m.esp('b'))}")


@scenario()
def scenario_leftovers_removed(m):
    """Temporary files of ours go, wherever in scope they are; those of others stay."""
    bound(m, "6.9.1")
    places = [f"{m.token}", f"{m.token}/6.9.1", f"{m.token}/6.0.0", "loader/entries", "EFI/Linux"]
    for place in places:
        write(f"{m.esp('b')}/{place}/.bootsync-0.tmp", "torn")
        write(f"{m.esp('b')}/{place}/.bootsync-17.tmp", "torn")
    for name in (".other-0.tmp", ".bootsync-x", "EFI/Microsoft/.bootsync-0.tmp"):
        write(f"{m.esp('b')}/{name}", "of others")
    write(f"{m.root}/{m.token}/.bootsync-0.tmp", "one on the source is not mirrored")
    m.run("sync", check=0)
    left = leftovers(m.esp("b"))
    expect(sorted(path.removeprefix(m.esp("b") + "/").lower() for path in left)
           == [".bootsync-x", "efi/microsoft/.bootsync-0.tmp"], f"{left}")
    expect(os.path.exists(f"{m.esp('b')}/.other-0.tmp"), "of others")
    expect(os.path.exists(f"{m.root}/{m.token}/.bootsync-0.tmp"), "the source is only read")


# -- one at a time

@scenario()
def scenario_lock(m):
    """One at a time, by a lock that dies with its holder and that a removed file does not break."""
    d = begin(m, "6.9.1")
    before = tree(m.esp("b"))
    result = m.run(check=75)
    expect(status_of(result, "locked") and f"process {d.pid}" in result.stderr, f"{result}")
    small(m, "6.9.2", where=m.esp("b"), entry=False)
    for words in (("sync",), ("sync", "--prune", "--yes")):
        expect(status_of(m.run(*words, check=75), "locked"), f"{words}")
    shutil.rmtree(payload(m, "6.9.2", "b"))
    modules("6.9.1")
    expect_unchanged(before, m.esp("b"), "written by a second one")
    expect(not d.stop(), "exit status")
    m.run("sync", check=0)
    d = m.start()
    d.wait_idle()
    d.kill()
    m.run("sync", check=0)
    write("/run/bootsync/lock", "99999999\n")
    d = m.start()
    d.wait_idle()
    expect(m.run("diff", check=0), "a look needs no lock")


@scenario()
def scenario_lock_file_replaced(m):
    """A lock file that is a link or a directory is not followed, nor taken for a lock; one that
    somebody removes lets in one more, and no third."""
    bound(m, "6.9.1")
    write("/tmp/victim", "must stay")
    os.makedirs("/run/bootsync", exist_ok=True)
    if os.path.exists("/run/bootsync/lock"):
        os.unlink("/run/bootsync/lock")
    os.symlink("/tmp/victim", "/run/bootsync/lock")
    expect("cannot be locked" in m.run("sync", check=1).stderr, "a link")
    expect(open("/tmp/victim", encoding="ascii").read() == "must stay", "written through a link")
    os.unlink("/run/bootsync/lock")
    os.mkdir("/run/bootsync/lock")
    expect("cannot be locked" in m.run("sync", check=1).stderr, "a directory")
    os.rmdir("/run/bootsync/lock")
    holder = subprocess.Popen(["flock", "-x", "-o", "/run/bootsync/lock", "sleep", "60"])
    wait_until(lambda: m.run("sync").status == 75, 5, "locked by another program")
    write("/run/bootsync/new", "")
    os.rename("/run/bootsync/new", "/run/bootsync/lock")
    m.run("sync", check=0)
    holder.kill()
    holder.wait()


# -- nothing outside

def outside(m):
    """Files that links and mounts lead to; they must be neither read nor written."""
    for path in ("/tmp/outside/linux", "/tmp/outside/initrd.img-6.9.1", "/tmp/outside/deep/x",
                 "/tmp/outside/entry.conf"):
        write(path, "outside: " + path)
    write("/tmp/outside/entry.conf", f"linux /{m.token}/6.9.1/linux\n")
    return tree("/tmp/outside")


def expect_outside_untouched(before, lines):
    """Nothing was opened out there, by whichever name, and nothing changed."""
    expect_unchanged(before, "/tmp/outside", "written outside")
    hits = [line for line in lines if re.search(r"/tmp/outside", line)]
    expect(not hits, "outside:\n    " + "\n    ".join(hits[:9]))


@scenario(fs_only="ext4")
def scenario_links_on_the_source(m):
    """Links on the source lead nowhere: directories, files, entries, and ROOT's own parts."""
    bound(m, "6.9.1", "6.9.2")
    before = outside(m)
    os.symlink("/tmp/outside", f"{m.root}/{m.token}/6.9.3")
    os.symlink("/tmp/outside/deep", f"{payload(m, '6.9.1')}/deep")
    os.symlink("/tmp/outside/linux", f"{payload(m, '6.9.1')}/linux2")
    os.symlink("../../../../../../tmp/outside/linux", f"{payload(m, '6.9.1')}/linux3")
    os.symlink("/tmp/outside/entry.conf", entry(m, "6.9.3"))
    os.symlink("/proc/self/root/tmp/outside", f"{m.root}/{m.token}/6.9.4")
    shutil.rmtree(f"{m.root}/EFI/Linux")
    os.symlink("/tmp/outside", f"{m.root}/EFI/Linux")
    m.run("sync", wrap=traced("%file", "openat2", "read", "write"))
    expect_outside_untouched(before, calls_of())
    expect(names(m, "b", m.token) == ["6.9.1", "6.9.2"], f"{names(m, 'b', m.token)}")
    expect(names(m, "b", f"{m.token}/6.9.1") == ["initrd.img-6.9.1", "linux"], "links")
    expect(not os.path.lexists(f"{m.esp('b')}/EFI/Linux"), "EFI/Linux")


@scenario(fs_only="ext4")
def scenario_links_on_the_target(m):
    """Links on a target lead nowhere: nothing is written, removed or read behind them."""
    bound(m, "6.9.1", "6.9.2")
    before = outside(m)
    top = m.esp("b")
    os.makedirs(f"{top}/{m.token}/6.9.2")
    os.makedirs(f"{top}/loader")
    os.symlink("/tmp/outside", f"{top}/{m.token}/6.9.1")
    os.symlink("/tmp/outside/linux", f"{top}/{m.token}/6.9.2/linux")
    os.symlink("/tmp/outside", f"{top}/loader/entries")
    os.symlink("/tmp/outside", f"{top}/{m.token}/6.0.0")
    write("/tmp/outside/.bootsync-0.tmp", "no leftover")
    before = tree("/tmp/outside")
    m.run("sync", wrap=traced("%file", "openat2", "read", "write"))
    expect_outside_untouched(before, calls_of())
    m.run("sync", "--prune", "--yes")
    expect_unchanged(before, "/tmp/outside", "pruned outside")


@scenario(fs_only="ext4")
def scenario_link_as_the_target(m):
    """ROOT@x itself is a link: it is no member, and nothing behind it is written."""
    bound(m, "6.9.1")
    before = outside(m)
    os.symlink("/tmp/outside", m.esp("c"))
    m.run("sync", wrap=traced("%file", "openat2", "write"))
    expect_unchanged(before, "/tmp/outside", "written through ROOT@c")
    expect(not [name for name in tree("/tmp/outside") if m.token in name], "mirrored there")


@scenario()
def scenario_mounts_inside(m):
    """A tmpfs or a bind inside of an ESP, source or target, is neither read nor written."""
    synced(m, "6.9.1", "6.9.2")
    before_b = tree(m.esp("b"))
    before = outside(m)
    for x, version in (("a", "6.9.1"), ("b", "6.9.2")):
        m.bind("/tmp/outside", f"{m.esp(x)}/{m.token}/{version}")
    m.bind("/tmp/outside", f"{m.root}/{m.token}/6.9.1")
    write_random(f"{payload(m, '6.9.2')}/initrd.img-6.9.2", 0.1, "new")
    m.run("sync", check=1, wrap=traced("%file", "openat2", "read", "write"))
    expect_unchanged(before, "/tmp/outside", "written outside")
    opened = [line for line in calls_of() if re.match(r"(read|write|openat2)\(", line)
              and re.search(r"/outside|/6\.9\.1/deep|6\.9\.2/deep|/6\.9\.1/linux", line)
              and "ENOENT" not in line and "EXDEV" not in line]
    expect(not opened, "behind the mounts:\n    " + "\n    ".join(opened[:9]))
    for x, version in (("a", "6.9.1"), ("b", "6.9.2")):
        m.umount(f"{m.esp(x)}/{m.token}/{version}")
    expect_kept({name: value for name, value in before_b.items() if "6.9.2/initrd" not in name},
                m.esp("b"), "what a mount hid on the source")


@scenario()
def scenario_names_in_logs(m):
    """Control characters in names of an ESP come escaped: no line of the log is forged."""
    bound(m, "6.9.1")
    odd = "odd \x1b[31mred\x7f\nerror: forged" if m.fs == "ext4" else "odd x"
    write(f"{m.esp('b')}/{m.token}/{odd}/linux", "extra")
    result = m.run("sync")
    expect(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.stderr), f"{result!r}")
    expect(not re.search(r"^error: forged", result.stderr, re.MULTILINE), f"{result}")
    expect(status_of(result, "extra"), f"{result}")


# -- the commit

def commit_lines(m, x="b"):
    """The calls of the commit on one ESP, as (call, path below it)."""
    found = []
    for line in calls_of():
        call = line.partition("(")[0]
        hit = re.findall(rf"<{m.esp(x)}(/[^>]*)?>(?:, \"([^\"]+)\")?", line.split(" = ")[0])
        if hit and "= -1" not in line:
            paths = ["/".join(part for part in pair if part).lstrip("/") for pair in hit]
            if "(deleted)" in line:
                paths[0] = paths[0].removesuffix(" (deleted)") + " (deleted)"
            found.append((call, *paths))
    return found


@scenario()
def scenario_order_of_calls(m):
    """One file: temporary name, write, fsync, rename, fsync of the file, fsync of the directory,
    and only then the old file is let go of."""
    synced(m, "6.9.1")
    small(m, "6.9.1", seed=1, entry=False)
    m.run("sync", check=0, wrap=traced("openat2", "write", "fsync", "renameat", "close"))
    found = commit_lines(m)
    final = f"{m.token}/6.9.1/linux"
    temp = next(call[1] for call in found if ".bootsync-" in call[1])
    renames = [i for i, call in enumerate(found) if call[0] == "renameat" and call[2] == final]
    expect(len(renames) == 1, f"{renames} {found}")
    at = renames[0]
    before = [call[:2] for call in found[:at]]
    after = [call[:2] for call in found[at + 1:]]
    held = before.index(("openat2", final))
    writes = [i for i, call in enumerate(before) if call == ("write", temp)]
    flushed = [i for i, call in enumerate(before) if call == ("fsync", temp)]
    expect(writes and flushed and held < writes[0] and max(writes) < max(flushed),
           f"before the rename: {before}")
    steps = [after.index(("fsync", final)), after.index(("fsync", f"{m.token}/6.9.1"))]
    gone = after.index(("close", final + " (deleted)"))
    expect(steps == sorted(steps) and steps[1] < gone, f"after the rename: {after}")


@scenario(esps="abc")
def scenario_order_of_steps(m):
    """Payload is flushed before its entry is written, removals come last, entries before payload;
    one target is through before the next is touched; a removal is held until it is flushed."""
    synced(m, "6.9.1", "6.9.2")
    m.remove_kernel("6.9.1")
    small(m, "6.9.3")
    m.run("sync", check=0, wrap=traced("write", "fsync", "renameat", "unlinkat", "mkdirat"))
    order = []
    for line in calls_of():
        hit = re.search(rf"<{m.root}@(.)", line)
        if hit and hit[1] in "bc" and "= -1" not in line:
            order.append(hit[1])
    expect("".join(order) == "b" * order.count("b") + "c" * order.count("c")
           and order.count("b") == order.count("c") > 9, "".join(order))
    found = commit_lines(m)

    def place(call, path):
        return next((i for i, step in enumerate(found) if step[0] == call and step[-1] == path),
                    None)
    steps = [place("mkdirat", f"{m.token}/6.9.3"),
             place("renameat", f"{m.token}/6.9.3/linux"),
             place("renameat", f"loader/entries/{m.token}-6.9.3.conf"),
             place("unlinkat", f"loader/entries/{m.token}-6.9.1.conf"),
             place("unlinkat", f"{m.token}/6.9.1/linux"),
             place("unlinkat", f"{m.token}/6.9.1")]
    expect(None not in steps and steps == sorted(steps), f"{steps} in {found}")
    for i, step in enumerate(found):
        if step[0] == "unlinkat":
            expect(found[i + 1] == ("fsync", os.path.dirname(step[1])), f"{found[i:i + 2]}")


@scenario()
def scenario_temporary_names(m):
    """What is not complete has a name that no boot loader takes: a dot, and neither .conf nor
    .efi; and nothing but such names is ever opened for writing."""
    bound(m, "6.9.1")
    m.add_uki("6.9.1", mb=0.1)
    m.run("sync", check=0, wrap=traced("openat2", "openat", "open", "creat"))
    opened = [os.path.basename(re.search(r'"([^"]*)"', line)[1]) for line in calls_of()
              if re.search(r"O_CREAT|O_WRONLY|O_RDWR", line) and f"<{m.root}@b" in line]
    expect(len(opened) >= 4, f"{opened}")
    bad = [name for name in opened
           if not name.startswith(".") or name.lower().endswith((".conf", ".efi"))]
    expect(not bad, f"opened for writing: {bad}")


@scenario()
def scenario_read_back(m):
    """AfterCopy=yes: a copy that reads back otherwise is thrown away and said, the old file stays;
    with AfterCopy=no nobody looks."""
    synced(m, "6.9.1")
    before = tree(m.esp("b"))
    small(m, "6.9.1", seed=1, entry=False)
    corrupt = injected("write", "poke_enter=@arg2=deadbeef", f"{m.esp('b')}/{m.token}/6.9.1/"
                       ".bootsync-0.tmp")
    result = m.run("sync", check=1, wrap=corrupt)
    expect("what was read back is not what was written" in result.stderr, f"{result}")
    expect_unchanged(before, m.esp("b"), "a corrupt copy was published")
    m.dropin("[Verify]\nAfterCopy=no\n")
    m.run("sync", wrap=corrupt)
    expect(differences(before, m.esp("b")), "without AfterCopy= nothing sees it: the test is blind")


@scenario(esps="abc")
def scenario_full_or_read_only_midway(m):
    """A target that fills up, turns read-only or fails while it is written to: nothing half
    written, said once, the other one is served, no leftover takes the room; then it catches up."""
    begin(m, "6.9.1").stop()
    for n, (error, call, number, reason) in enumerate((
            ("ENOSPC", "write", 1, "target-full"), ("EROFS", "renameat", 1, "target-error"),
            ("EIO", "fsync", 1, "target-error"))):
        small(m, f"6.9.{n + 2}", initrd_mb=2)
        small(m, "6.9.1", seed=n + 1)
        old = tree(m.esp("b"))
        where = f"{m.esp('b')}/{m.token}/6.9.{n + 2}"
        d = m.start(wrap=injected(call, f"error={error}", where if call == "renameat"
                                  else f"{where}/.bootsync-0.tmp", f"{number}+"))
        m.wait_mirrored("c")
        d.wait_idle()
        d.reload()
        d.wait_idle()
        expect_once(d, reason, m.esp("b"))
        expect_whole(m, "b", old)
        expect_bootable(m, "b")
        expect(not leftovers(m.esp("b")), f"{error} {call}: {leftovers(m.esp('b'))}")
        expect(f"{m.token}-6.9.{n + 2}.conf" not in names(m, "b"), "entry without its kernel")
        d.stop()
        m.run("sync", check=0)
        m.assert_mirrored()


# -- the source's disk dies (TESTING.md: a failing source disk)

def verdict_of_round(m, before, what):
    """A round with a disk that fails: nothing is lost on the others, the exit status says it."""
    result = m.run("sync")
    expect(result.status != 0, f"{what}: it says that all is well: {result}")
    for x, was in before.items():
        expect_kept(was, m.esp(x), what)
    return result


def replace_source(m):
    """The disk of the source is well again, and mounted anew."""
    m.heal_disk("a")
    m.umount(m.root)
    m.umount("a")
    m.mount("a")
    m.run("bind", check=0)


@scenario(dm=True, esps="abc", timeout=90)
def scenario_dead_directory_block(m):
    """A block of a directory of the source can't be read: the names in it vanish without an error.
    None is lost on any target, with a baseline or without; and all goes on with a disk that is
    well."""
    synced(m, *[f"6.9.{n}" for n in range(1, 10)])
    m.sync()
    before = {x: tree(m.esp(x)) for x in "bc"}
    for path in ("loader/entries", m.token):
        blocks = m.sectors("a", path)
        expect(len(blocks) > 1, f"{path}: {blocks}")
        m.break_disk("a", blocks[1:])
        there = os.listdir(f"{m.esp('a')}/{path}")
        expect(0 < len(there) < 9, f"nothing vanished: {there}")
        results = [m.run("sync")]
        shutil.rmtree(MEMORY)
        results.append(m.run("sync"))
        for x, was in before.items():
            expect_kept(was, m.esp(x), f"{path}, a block unreadable: {results}")
        replace_source(m)
    small(m, "6.9.10")
    m.remove_kernel("6.9.1")
    m.run("sync", check=0)
    m.assert_mirrored()


@scenario(dm=True, esps="abc", timeout=90)
def scenario_dead_directory(m):
    """A whole directory of the source can't be read, from that of a kernel to the root: nothing is
    lost on any target.  (Linux 6.1 itself frees the clusters of such a directory.)"""
    synced(m, "6.9.1", "6.9.2")
    m.sync()
    before = {x: tree(m.esp(x)) for x in "bc"}
    for path in (f"{m.token}/6.9.1", "loader/entries", m.token, "loader", ""):
        m.break_disk("a", m.sectors("a", path))
        result = m.run("sync")
        expect(result.status == 1, f"{path!r} unreadable: {result}")
        for x, was in before.items():
            expect_kept(was, m.esp(x), f"{path!r} unreadable: {result}")
        m.heal_disk("a")
        m.drop_caches()


@scenario(dm=True, esps="abc")
def scenario_dead_directory_live(m):
    """The same while the daemon runs, with removals under way: none is done that nobody saw, it is
    said once, and after the disk has healed the mirror goes on."""
    d = begin(m, "6.9.1", "6.9.2", "6.9.3")
    before = {x: tree(m.esp(x)) for x in "bc"}
    m.break_disk("a", m.sectors("a", f"{m.token}/6.9.2") + m.sectors("a", "loader/entries"))
    os.unlink(f"{payload(m, '6.9.1')}/linux")
    small(m, "6.9.4", entry=False)
    d.wait_idle()
    d.reload()
    d.wait_idle()
    d.reload()
    d.wait_idle()
    for x, was in before.items():
        expect_kept(was, m.esp(x), "unreadable directories")
    for reason in ("source-not-bootable", "source-unreadable", "source-lost", "entry-incomplete"):
        expect(told(d, reason) <= 1, f"{reason} was said {told(d, reason)} times")
    m.heal_disk("a")
    m.drop_caches()
    m.write_entry(f"{m.token}-6.9.4.conf", version="6.9.4")
    small(m, "6.9.1")
    d.reload()
    m.wait_mirrored()


@scenario(dm=True)
def scenario_dead_table(m):
    """The source's file allocation table can't be read: nothing is lost or half written."""
    synced(m, "6.9.1", "6.9.2")
    small(m, "6.9.3")
    m.sync()
    before = {"b": tree(m.esp("b"))}
    m.break_disk("a", m.sectors("a"))
    result = verdict_of_round(m, before, "FAT unreadable")
    expect_bootable(m, "b")
    m.heal_disk("a")
    m.drop_caches()
    expect_whole(m, "b")
    expect(f"{m.token}-6.9.3.conf" not in names(m, "b") or "6.9.3" in names(m, "b", m.token),
           f"{result}")
    m.run("sync", check=0)
    m.assert_mirrored()


@scenario(dm=True)
def scenario_dead_data(m):
    """Data of one new file can't be read: said once, the rest is mirrored, its entry is not."""
    d = begin(m, "6.9.1")
    d.stop()
    before = tree(m.esp("b"))
    small(m, "6.9.2")
    small(m, "6.9.3")
    m.sync()
    m.break_disk("a", m.sectors("a", f"{m.token}/6.9.2/initrd.img-6.9.2"))
    d = m.start()
    wait_told(d, "source-error", "6.9.2")
    d.wait_idle()
    d.reload()
    d.wait_idle()
    expect_once(d, "source-error")
    expect_kept(before, m.esp("b"), "unreadable data")
    expect(names(m, "b") == [f"{m.token}-6.9.{n}.conf" for n in (1, 3)], f"{names(m, 'b')}")
    m.heal_disk("a")
    d.reload()
    m.wait_mirrored()


@scenario(dm=True, esps="abc", timeout=90)
def scenario_dead_disk(m):
    """The whole source disk fails, at start: nothing is lost anywhere; healed, all goes on."""
    synced(m, "6.9.1", "6.9.2")
    m.remove_kernel("6.9.1")
    m.sync()
    before = {x: tree(m.esp(x)) for x in "bc"}
    m.break_disk("a")
    verdict_of_round(m, before, "the whole disk fails")
    m.heal_disk("a")
    m.umount(m.root)
    m.umount("a")
    m.mount("a")
    m.run("bind", check=0)
    m.run("sync", check=0)
    m.assert_mirrored()


@scenario(dm=True, esps="abc", timeout=90)
def scenario_dead_disk_midway(m):
    """The whole source disk fails in the middle of a copy: whole files only, nothing lost, said."""
    d = begin(m, "6.9.1", "6.9.2")
    d.stop()
    m.remove_kernel("6.9.1")
    small(m, "6.9.2", initrd_mb=6, seed=1)
    m.sync()
    source = tree(m.esp("a"))
    before = {x: tree(m.esp(x)) for x in "bc"}
    d = m.start(wrap=SLOW_COPY)
    wait_copying(m, "b")
    m.break_disk("a")
    m.drop_caches()
    wait_until(lambda: not leftovers(m.esp("b"), m.esp("c")) and not workers(), 20, "its end")
    time.sleep(0.5)
    for x, was in before.items():
        for name, value in tree(m.esp(x)).items():
            expect(value in (was.get(name), source.get(name)), f"half written on {x}: {name}")
        expect_bootable(m, x)
        lost = [name for name in was if name not in tree(m.esp(x)) and "6.9.1" not in name]
        expect(not lost, f"lost on {x}: {lost}")


@scenario(dm=True, esps="abc")
def scenario_pulled_disk(m):
    """A pulled disk: the mount stays, listings are empty, no event comes. Nothing is lost, it is
    said once, the daemon ends for a fresh start."""
    d = begin(m, "6.9.1", "6.9.2")
    before = {x: tree(m.esp(x)) for x in "bc"}
    m.pull_disk("a")
    d.reload(wait=False)
    expect(d.wait() == 69, f"exit status {d.process.returncode}")
    expect_once(d, "source-lost")
    for x, was in before.items():
        expect_unchanged(was, m.esp(x), "a pulled disk")


@scenario()
def scenario_pulled_disk_that_says_gone(m):
    """Even removals that were seen count for nothing once the source's device is gone."""
    d = begin(m, "6.9.1", "6.9.2")
    before = tree(m.esp("b"))
    m.dropin("[Mirror]\nDebounceSec=1s\n")
    d.reload()
    d.wait_idle(quiet=1.2)
    m.remove_kernel("6.9.1")
    m.pull_disk("a")
    expect(d.wait() == 69, f"exit status {d.process.returncode}")
    expect_once(d, "source-lost")
    expect_unchanged(before, m.esp("b"), "a pulled disk")


# -- the target's disk dies, or hangs

@scenario(dm=True, esps="abc", timeout=90)
def scenario_dead_target(m):
    """A target whose disk fails in the middle of a copy: the others are done, it is said, and after
    it has healed and was mounted again it has whole files only, and catches up."""
    d = begin(m, "6.9.1")
    d.stop()
    small(m, "6.9.2", initrd_mb=6)
    m.sync()
    old = tree(m.esp("b"))
    d = m.start(wrap=SLOW_COPY)
    wait_copying(m, "b")
    m.break_disk("b")
    m.wait_mirrored("c", timeout=20)
    wait_told(d, "target-error", m.esp("b"))
    m.heal_disk("b")
    m.umount("b")
    m.mount("b")
    expect_whole(m, "b", old)
    expect_bootable(m, "b")
    m.wait_mirrored("b", timeout=20)
    wait_until(lambda: not leftovers(m.esp("b")), 5, "no leftovers")


@scenario(dm=True)
def scenario_dead_directory_of_the_target(m):
    """A block of a directory of a target can't be read, names vanish: what lies there is not
    lost."""
    synced(m, *[f"6.9.{n}" for n in range(1, 10)])
    m.sync()
    before = tree(m.esp("b"))
    for path in ("loader/entries", m.token):
        m.break_disk("b", m.sectors("b", path)[1:])
        result = m.run("sync")
        m.heal_disk("b")
        m.umount("b")
        m.mount("b")
        expect_kept(before, m.esp("b"), f"{path}: {result}")
        expect_bootable(m, "b")


@scenario(dm=True, esps="abc", timeout=60)
def scenario_hung_target(m):
    """A target that hangs holds up neither SIGTERM nor, then, the others for more than its limit;
    it is said, and it is served again once its disk answers."""
    d = begin(m, "6.9.1")
    m.suspend_disk("b")
    try:
        small(m, "6.9.2")
        d.wait_status(f"{m.esp('b')}: updating")
        start = time.monotonic()
        expect(d.stop(timeout=40) in (0, 1), f"exit status {d.process.returncode}")
        expect(time.monotonic() - start < 25, f"{time.monotonic() - start} s")
        expect_once(d, "target-hung")
        m.assert_mirrored("c")
    finally:
        m.resume_disk("b")
    wait_until(lambda: not workers(), 10, "the end of the hung worker")
    expect_bootable(m, "b")
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    expect(not leftovers(m.esp("b")), f"{leftovers(m.esp('b'))}")


@scenario(dm=True, esps="abc", timeout=90)
def scenario_hung_target_and_the_others(m):
    """A target that hangs is left alone after a minute: the others are served, what comes later
    too, and it as well as soon as its disk answers, without a new start."""
    d = begin(m, "6.9.1")
    m.suspend_disk("b")
    try:
        small(m, "6.9.2")
        d.wait_status(f"{m.esp('b')}: updating")
        wait_until(lambda: told(d, "target-hung"), 75, "given up")
        m.wait_mirrored("c")
        small(m, "6.9.3")
        m.wait_mirrored("c")
        expect_once(d, "target-hung")
    finally:
        m.resume_disk("b")
    m.wait_mirrored("b", timeout=20)


@scenario()
def scenario_held_target_is_no_busy_loop(m):
    """A target that was due to be tried again, and that a reload then excludes, costs no turn of
    the processor until something changes."""
    install(m, "6.9.1")
    small(m, "6.99.1", where=m.esp("b"))
    modules("6.9.1")
    m.dropin("[Mirror]\nRescanIntervalSec=1s\n")
    d = m.start()
    wait_told(d, "target-newer")
    m.config(open("/etc/bootsync/bootsync.conf", encoding="ascii").read()
             .replace("FileSystems=vfat ext4", "FileSystems=" +
                      ("ext4" if m.fs == "vfat" else "vfat")))
    m.dropin("[Mirror]\nRescanIntervalSec=1h\n")
    d.reload()
    wait_told(d, "target-wrong-fs")
    time.sleep(1.2)
    d.wait_idle(timeout=3)


# -- what the descriptors promise

@scenario()
def scenario_confined(m):
    """Every access to an ESP is relative to a descriptor: openat2 beneath its root, without links
    and other mounts; only the roots are opened by their paths."""
    bound(m, "6.9.1", "6.9.2")
    m.run("sync", check=0, wrap=traced("%file", "openat2"))
    lines = calls_of()
    absolute = [line for line in lines if re.search(rf'"{m.root}(@[a-z])?/', line)]
    expect(not absolute, f"by path: {absolute[:9]}")
    opened = [line for line in lines if line.startswith("openat2(")]
    flags = ("RESOLVE_BENEATH", "RESOLVE_NO_SYMLINKS", "RESOLVE_NO_XDEV", "RESOLVE_NO_MAGICLINKS")
    loose = [line for line in opened if not all(flag in line for flag in flags)]
    expect(len(opened) > 9 and not loose, f"loose: {loose[:9]}")
    others = [line for line in lines if re.match(r"(open|openat|creat)\(", line)
              and re.search(rf"\(\d+<{m.root}(@[a-z])?[/>]", line)]
    expect(not others, f"without openat2: {others[:9]}")


@scenario()
def scenario_idle_holds_nothing(m):
    """While it idles, every ESP can be unmounted."""
    d = begin(m, "6.9.1")
    expect(not d.esp_fds(), f"{d.esp_fds()}")
    m.umount("b")
    wait_told(d, "target-missing")
    m.mount("b")
    wait_told(d, "target-back")
    d.wait_idle()
    m.umount(m.root)
    expect(d.wait() == 69, f"exit status {d.process.returncode}")
    expect_once(d, "bind-lost")
    m.umount("a")
    m.umount("b")
