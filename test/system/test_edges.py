# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens in the middle of something else: a mount that goes during a diff, an event during a
round, a name that comes back, a question that stands while the source changes."""

import os
import shutil
import signal
import subprocess
import time

from machine import *
from scenes import *

FAST = CONFIG.replace("200ms", "50ms").replace("MaxDelaySec=2s", "MaxDelaySec=1s")
TRACE = ["strace", "-f", "-qq", "-o", "/dev/null"]


def delayed(call, seconds, *paths):
    """A wrapper under which each such call (on these paths) takes so much longer."""
    chosen = [word for path in paths for word in ("-P", path)]
    return [*TRACE, *chosen, "-e", f"trace={call}", "-e",
            f"inject={call}:delay_enter={int(seconds * 1000000)}"]


SLOW_DISK = delayed("sync_file_range", 0.25)


def copying(m, version, x="b"):
    """Wait until a worker has a temporary file open in the payload directory on an ESP."""
    directory = f"{m.esp(x)}/{m.token}/{version}"
    wait_until(lambda: os.path.isdir(directory) and
               any(name.startswith(".bootsync-") for name in os.listdir(directory)), 10, "a copy")


@scenario(esps="abc")
def scenario_a_diff_never_writes(m):
    """An ESP that is unmounted during a diff makes it look anew, and still write nothing."""
    install(m)
    big = f"{payload(m, '6.9.1', 'a')}/big"
    write_random(big, 10, seed=1)
    m.run("bind", check=0)
    m.run("sync", check=0)
    shutil.rmtree("/var/lib/bootsync")
    os.unlink(f"{payload(m, '6.9.1', 'c')}/linux")
    before = tree(m.esp("c"))
    slow = delayed("read", 0.3, f"{payload(m, '6.9.1', 'b')}/big")
    # LeakSanitizer cannot work where another traces
    with subprocess.Popen([*slow, m.binary, "diff"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}) as process:
        time.sleep(1.2 * SLOW)
        m.umount("b", lazy=True)
        text = process.communicate(timeout=60)[0].decode()
    expect(process.returncode == 1 and "linux" in text, text)
    expect(tree(m.esp("c")) == before, f"the diff has written: {text}")


@scenario()
def scenario_prune_removes_what_it_showed(m):
    """What goes on the source while the question of --prune stands was not agreed to."""
    install(m)
    m.run("bind", check=0)
    later = f"{payload(m, '6.9.1')}/later"
    write(later, "x")
    m.run("sync", check=0)
    write(f"{payload(m, '6.9.1', 'b')}/stray", "x")
    with subprocess.Popen([m.binary, "sync", "--prune"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        out = b""
        while b"[y/N]" not in out:
            out += os.read(process.stdout.fileno(), 4096)
        os.unlink(later)
        out += process.communicate(b"y\n", timeout=30)[0]
    left = names(m, "b", f"{m.token}/6.9.1")
    expect("stray" not in left and "later" in left, f"{left} {out.decode()}")


@scenario(esps="abc")
def scenario_prune_is_for_the_target_it_showed(m):
    """A newer kernel that comes to an ESP of which nothing was listed refuses that ESP still."""
    install(m)
    m.run("bind", check=0)
    m.run("sync", check=0)
    write(f"{payload(m, '6.9.1', 'b')}/stray", "x")
    with subprocess.Popen([m.binary, "sync", "--prune"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        out = b""
        while b"[y/N]" not in out:
            out += os.read(process.stdout.fileno(), 4096)
        small(m, "6.10.0", where=m.esp("c"))
        shutil.rmtree("/lib/modules/6.10.0")
        write(f"{payload(m, '6.9.1')}/new", "x")
        out += process.communicate(b"y\n", timeout=30)[0]
    expect(process.returncode == 1 and b"holds the kernel 6.10.0" in out, out.decode())
    expect("new" not in names(m, "c", f"{m.token}/6.9.1"), "the refused ESP was written to")
    expect("stray" not in names(m, "b", f"{m.token}/6.9.1"), "what was agreed to is still there")


@scenario()
def scenario_prune_complains_once(m):
    """The settings are read for the list and for the deed; what is wrong with them is said once."""
    install(m)
    m.run("bind", check=0)
    m.dropin("[Mirror]\nFoo=1\n")
    result = m.run("sync", "--prune")
    expect(result.stderr.count("unknown key") == 1, f"{result}")


@scenario()
def scenario_removed_during_a_round(m):
    """A removal that is seen while another file is copied is not forgotten."""
    install(m)
    write(f"{payload(m, '6.9.1', 'a')}/extra.bin", "x")
    d = m.start(config=FAST, wrap=SLOW_DISK)
    m.wait_mirrored()
    d.wait_idle()
    small(m, "6.9.2", initrd_mb=4)
    copying(m, "6.9.2")
    os.unlink(f"{payload(m, '6.9.1')}/extra.bin")
    m.wait_mirrored()
    expect(told(d, "extra") == 0, "it was called an extra")


@scenario()
def scenario_removed_during_a_comparison(m):
    """A file that goes between the look and the comparison is no fault of the disk."""
    install(m)
    write_random(f"{payload(m, '6.9.1', 'a')}/big", 10, seed=1)
    write(f"{payload(m, '6.9.1', 'a')}/zz", "s")
    m.run("bind", check=0)
    m.run("sync", check=0)
    shutil.rmtree("/var/lib/bootsync")
    d = m.start(config=FAST, wrap=delayed("read", 0.1, f"{payload(m, '6.9.1', 'b')}/big"))
    time.sleep(0.5 * SLOW)
    os.unlink(f"{payload(m, '6.9.1')}/zz")
    m.wait_mirrored()
    expect(told(d, "source-error") == 0, "a false alarm")


@scenario(esps="abc")
def scenario_back_before_the_next_target(m):
    """A file that was moved away and came back while the first target was served stays on the
    second."""
    install(m)
    write(f"{payload(m, '6.9.1', 'a')}/x", "x")
    d = m.start(config=FAST, wrap=delayed("fsync", 1.0, payload(m, "6.9.1", "b")))
    m.wait_mirrored(timeout=40)
    d.wait_idle()
    here, on_b, on_c = (f"{payload(m, '6.9.1', x)}/x" for x in (None, "b", "c"))
    os.rename(here, f"{m.root}/xx")
    wait_until(lambda: not os.path.exists(on_b), 8, "it is gone on b")
    os.rename(f"{m.root}/xx", here)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        expect(os.path.exists(on_c), "removed though the source has it")
        time.sleep(0.01)
    m.wait_mirrored(timeout=30)


@scenario()
def scenario_initrd_is_made_anew(m):
    """While an initrd is missing on the source, its kernel installed and its entry there, the
    target keeps its own, and the entry."""
    d = begin(m, "6.9.1", "6.9.2", config=FAST)
    initrd = f"{payload(m, '6.9.1')}/initrd.img-6.9.1"
    os.unlink(initrd)
    wait_told(d, "entry-incomplete")
    d.wait_idle()
    expect(f"{m.token}-6.9.1.conf" in names(m, "b") and
           "initrd.img-6.9.1" in names(m, "b", f"{m.token}/6.9.1"), "the target lost a good kernel")
    write_random(initrd, 0.3, seed=9)
    m.wait_mirrored()


@scenario()
def scenario_a_kernel_that_became_a_file(m):
    """A payload directory that turns into an empty file while nobody watches (a flipped bit) takes
    no kernel from a target."""
    d = begin(m, "6.9.1", "6.9.2", config=FAST)
    d.stop()
    shutil.rmtree(payload(m, "6.9.1"))
    write(payload(m, "6.9.1"), "")
    before = tree(payload(m, "6.9.1", "b"))
    d = m.start()
    wait_told(d, "in-the-way")
    d.wait_idle()
    expect(tree(payload(m, "6.9.1", "b")) == before, "a kernel is gone without a witness")
    expect(f"{m.token}-6.9.1.conf" in names(m, "b"), "its entry is gone")


@scenario()
def scenario_payload_named_like_an_entry(m):
    """Payload whose name looks counted (addon+3.efi) is compared by content after a write, too."""
    install(m)
    addon = f"{payload(m, '6.9.1', 'a')}/addon+3.efi"
    write(addon, "content 1")
    os.utime(addon, (1700000000, 1700000000))
    d = m.start(config=FAST)
    m.wait_mirrored()
    d.wait_idle()
    addon = f"{payload(m, '6.9.1')}/addon+3.efi"
    was = os.stat(addon)
    with open(addon, "r+b") as file:
        file.write(b"content 2")
        file.flush()
        os.utime(file.fileno(), ns=(was.st_atime_ns, was.st_mtime_ns))
    m.wait_mirrored()


@scenario()
def scenario_unmounted_during_a_copy(m):
    """The worker of a target that goes is ended and reaped; STATUS= says that it is not mounted, and
    the journal that it came back."""
    install(m)
    d = m.start(config=FAST, wrap=SLOW_DISK)
    m.wait_mirrored()
    d.wait_idle()
    small(m, "6.9.2", initrd_mb=4)
    copying(m, "6.9.2")
    m.umount("b", lazy=True)
    d.wait_status("/boot@b not mounted")
    with open(f"/proc/{d.pid}/task/{d.pid}/children", encoding="ascii") as file:
        children = file.read()
    wait_until(lambda: not children.strip() or not os.path.exists(f"/proc/{children.split()[0]}"),
               5, "the worker is reaped")
    m.mount("b")
    m.wait_mirrored(timeout=20)
    expect_once(d, "target-back")


@scenario()
def scenario_unreadable_is_not_in_sync(m):
    """A source file that cannot be read leaves the target out of sync, which is said; it is tried
    again."""
    begin(m, "6.9.1").stop()
    small(m, "6.9.2")
    bad = f"{payload(m, '6.9.2')}/initrd.img-6.9.2"
    d = m.start(config=FAST, wrap=[*TRACE, "-P", bad, "-e", "trace=read", "-e",
                                   "inject=read:error=EIO:when=1"])
    wait_told(d, "source-error")
    d.wait_status("/boot@b held back")
    expect(told(d, "mirrored", "; in sync$") == 0, "it was called in sync")
    expect(f"{m.token}-6.9.2.conf" not in names(m, "b"), "an entry without its initrd")


@scenario(fs_only="vfat")
def scenario_watch_limit_raised(m):
    """Once there are watches enough, a reload is enough to have them set."""
    install(m)
    for i in range(12):
        write(f"{payload(m, '6.9.1', 'a')}/d{i}/file", "content")
    m.sysctl("fs/inotify/max_user_watches", 8)
    d = m.start(config=FAST)
    wait_told(d, "watch-limit")
    m.wait_mirrored()
    d.wait_idle()
    m.sysctl("fs/inotify/max_user_watches", 8000)
    d.reload()
    d.wait_idle()
    for i in range(12):
        write(f"{payload(m, '6.9.1')}/d{i}/file", "changed!")
    m.wait_mirrored(timeout=10)


@scenario(fs_only="vfat")
def scenario_two_overflows(m):
    """A directory made in the second of two overflows before a round is watched as well."""
    m.sysctl("fs/inotify/max_queued_events", 64)
    d = begin(m, config=CONFIG.replace("200ms", "2s").replace("MaxDelaySec=2s", "MaxDelaySec=5s"))

    def storm():
        one, two = (open(f"{payload(m, '6.9.1')}/s{i}", "wb", buffering=0) for i in (1, 2))
        with one, two:
            for _ in range(100):
                one.write(b"x")
                two.write(b"x")

    for made in (None, "dir"):
        d.signal(signal.SIGSTOP)
        storm()
        if made:
            write(f"{payload(m, '6.9.1')}/{made}/file", "content 1")
        d.signal(signal.SIGCONT)
        time.sleep(0.3)
    wait_told(d, "overflow", times=2)
    m.wait_mirrored(timeout=20)
    d.wait_idle(quiet=3)
    write(f"{payload(m, '6.9.1')}/dir/file", "content 2, longer")
    m.wait_mirrored(timeout=20)


@scenario(fs_only="ext4")
def scenario_names_that_differ_in_case_only(m):
    """The second of two such names is told with its place."""
    install(m)
    write(f"{payload(m, '6.9.1', 'a')}/README", "upper")
    write(f"{payload(m, '6.9.1', 'a')}/readme", "lower")
    d = m.start(config=FAST)
    d.wait_log(rf"^warning: /boot/{m.token}/6.9.1/readme .*differs from another in case only")


@scenario()
def scenario_reload_while_the_bind_waits(m):
    """SIGHUP before the bind stands ends nothing."""
    m.umount("a")
    d = m.start(wait_ready=False)
    time.sleep(0.5)
    d.signal(signal.SIGHUP)
    time.sleep(0.3)
    expect(d.running, "it ended")
    m.mount("a")
    d.wait_notify("^READY=1$")
