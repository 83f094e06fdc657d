# SPDX-License-Identifier: LGPL-2.1-or-later
"""Living with changes: inotify and its gaps, mounts that come and go, delays, signals."""

import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from machine import *
from scenes import *

FAST = CONFIG.replace("200ms", "50ms").replace("MaxDelaySec=2s", "MaxDelaySec=1s")
LOST = 69  # exit status: ROOT is not bound any more

# Every piece of a copy takes a while, as on a slow disk: 1 MiB each.
PIECE = 0.25
SLOW_DISK = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sync_file_range", "-e",
             f"inject=sync_file_range:delay_enter={int(PIECE * 1e6)}"]


def rewrite(path, data, like=None):
    """Replace a file's content in place; with `like` (a stat result) its time stamps, too."""
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()
    if like:
        os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


def there(m, path, x="b"):
    """Content of a file of an ESP, None if it is not there."""
    try:
        with open(f"{m.esp(x)}/{path}", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def copying(m, path, x="b"):
    """Whether a temporary file of ours is in the directory of `path` on a target."""
    return leftovers(os.path.dirname(f"{m.esp(x)}/{path}"))


def workers():
    """PIDs of workers."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/comm", encoding="ascii") as file:
                found += [int(name)] if file.read().startswith("bootsync-worker") else []
        except OSError:
            continue
    return found


# -- inotify

@scenario()
def scenario_new_directories(m):
    """Directories made and filled at once, deep ones, many at once: nothing is missed."""
    d = begin(m, "6.9.1", config=FAST)
    for number in range(40):
        write(f"{payload(m, '6.9.1')}/{number % 4}/{number}/c/d/file", f"content {number}")
    m.wait_mirrored()
    d.wait_idle()
    m.shell(f"cd {payload(m, '6.9.1')} && for i in 1 2 3 4 5 6 7 8; do mkdir -p x/$i/y/z && "
            "echo $i >x/$i/y/z/file; echo $i >x/$i/file; done")
    m.wait_mirrored()
    write(f"{payload(m, '6.9.1')}/" + "/".join("abcdefghijkl") + "/file", "deep")
    m.wait_mirrored()


@scenario()
def scenario_directory_made_again(m):
    """A directory removed and made again stays watched; so does one with another's name."""
    d = begin(m, "6.9.1", config=FAST)
    top = f"{payload(m, '6.9.1')}/sub"
    for turn in range(3):
        write(f"{top}/deep/file", f"turn {turn}")
        m.wait_mirrored()
        write(f"{top}/deep/file", f"turn {turn}, changed")
        m.wait_mirrored()
        shutil.rmtree(top)
        if turn == 0:
            m.wait_mirrored()
            d.wait_idle()
    m.remove_kernel("6.9.1")
    small(m, "6.9.1")
    write(f"{payload(m, '6.9.1')}/more", "more")
    m.wait_mirrored()


@scenario()
def scenario_entries_directory_made_again(m):
    """The directories on the way (loader/entries) stay watched when they are made again."""
    d = begin(m, "6.9.1", config=FAST)
    for path in ("loader/entries", "loader"):
        os.rename(f"{m.root}/{path}", f"{m.root}/away")
        shutil.copytree(f"{m.root}/away", f"{m.root}/{path}")
        shutil.rmtree(f"{m.root}/away")
        d.wait_idle()
        text = open(entry(m, "6.9.1"), encoding="ascii").read()
        write(entry(m, "6.9.1"), text + f"# {path}\n")
        m.wait_mirrored()


@scenario()
def scenario_renames(m):
    """Renames of files and directories within the scope, into it and out of it."""
    d = begin(m, "6.9.1", "6.9.2", config=FAST)
    top = payload(m, "6.9.1")
    write(f"{top}/one/file", "1")
    write(f"{m.root}/outside/dir/file", "from outside")
    m.wait_mirrored()
    os.rename(f"{top}/one", f"{top}/two")
    m.wait_mirrored()
    write(f"{top}/two/file", "written by its new name")
    m.wait_mirrored()
    os.rename(f"{m.root}/outside/dir", f"{top}/in")
    m.wait_mirrored()
    write(f"{top}/in/file", "written in its new place")
    m.wait_mirrored()
    os.rename(f"{top}/in", f"{m.root}/outside/dir")
    m.wait_mirrored()
    d.wait_idle()
    before = memory(d.pid, "voluntary_ctxt_switches")
    write(f"{m.root}/outside/dir/file", "of no interest any more")
    time.sleep(0.3)
    expect(memory(d.pid, "voluntary_ctxt_switches") == before, "watched outside")
    write(f"{top}/file.tmp", "a writer's temporary file")
    os.rename(f"{top}/file.tmp", f"{top}/file")
    os.rename(f"{top}/linux", f"{m.root}/outside/linux")
    os.rename(f"{m.root}/outside/linux", f"{top}/linux")
    m.wait_mirrored()
    os.rename(f"{m.root}/{m.token}", f"{m.root}/outside/all")
    wait_told(d, "source-not-bootable")
    os.rename(f"{m.root}/outside/all", f"{m.root}/{m.token}")
    write(f"{top}/after", "still watched")
    m.wait_mirrored()


@scenario()
def scenario_others_changes_are_no_news(m):
    """What is not ours on the source (random-seed, another system) starts no round."""
    d = begin(m, "6.9.1", config=FAST)
    said = len(d.log)
    for x in range(3):
        write(f"{m.root}/loader/random-seed", f"{x}" * 32)
        write(f"{m.root}/EFI/Microsoft/Boot/BCD", f"{x}")
        write(f"{m.root}/loader/entries.srel", "type1\n")
    before = memory(d.pid, "voluntary_ctxt_switches")
    time.sleep(0.5)
    expect(memory(d.pid, "voluntary_ctxt_switches") - before <= 1, "a round for nothing")
    expect(len(d.log) == said, f"{d.log[said:]}")


@scenario(fs_only="vfat")
def scenario_overflow(m):
    """The queue overflows: that is said, everything is looked at, new directories are watched."""
    m.sysctl("fs/inotify/max_queued_events", 16)
    d = begin(m, "6.9.1", config=FAST)
    d.signal(signal.SIGSTOP)
    for number in range(40):
        write(f"{payload(m, '6.9.1')}/d{number}/file", f"content {number}")
    os.unlink(f"{payload(m, '6.9.1')}/linux")
    write_random(f"{payload(m, '6.9.1')}/linux", 0.1, "same size")
    d.signal(signal.SIGCONT)
    wait_told(d, "overflow")
    m.wait_mirrored()
    d.wait_idle()
    write(f"{payload(m, '6.9.1')}/d39/file", "content XX")
    m.wait_mirrored()


@scenario(fs_only="vfat")
def scenario_watch_limit(m):
    """Watches run out: said once, with the remedy; the rest is found by the rescan."""
    install(m, "6.9.1")
    for number in range(12):
        write(f"{m.esp('a')}/{m.token}/6.9.1/d{number}/file", "content")
    m.sysctl("fs/inotify/max_user_watches", 8)
    d = m.start(config=FAST.replace("[Mirror]", "[Mirror]\nRescanIntervalSec=1500ms"))
    m.wait_mirrored()
    for number in range(12):
        write(f"{m.root}/{m.token}/6.9.1/d{number}/file", "changed")
    m.wait_mirrored()
    expect_once(d, "watch-limit")


# -- mounts

@scenario(esps="abc", mounted="ab")
def scenario_target_mounted_later(m):
    """A target that is mounted later is brought up to date at once; so is one mounted again."""
    d = begin(m, "6.9.1", config=FAST)
    expect_once(d, "target-missing", m.esp("c"))
    m.mount("c")
    m.wait_mirrored("c")
    expect_once(d, "target-back")
    d.wait_idle()
    m.umount("c")
    wait_told(d, "target-missing", m.esp("c"), times=2)
    small(m, "6.9.2")
    m.wait_mirrored("b")
    expect(os.listdir(m.esp("c")) == [], "written into the mount point's directory")
    m.mount("c")
    m.wait_mirrored()


@scenario(esps="abc")
def scenario_unmounted_while_idle(m):
    """While the daemon idles nothing is open on any ESP: umount works at once, and the daemon sees
    it; a target that comes back changed is compared again."""
    d = begin(m, "6.9.1", config=FAST)
    expect(d.esp_fds() == [], f"{d.esp_fds()}")
    m.umount("b")
    m.umount("c")
    wait_told(d, "target-missing", m.esp("b"))
    m.mount("b", at="/mnt")
    write(f"/mnt/{m.token}/6.9.1/linux", "damaged elsewhere")
    m.umount("/mnt")
    m.mount("b")
    m.mount("c")
    m.wait_mirrored()
    expect(told(d, "drift", "linux") == 1, f"{d.log}")


@scenario()
def scenario_umount_in_the_middle(m):
    """A target unmounted lazily during a copy: said, nothing written where it was; it comes back
    and is caught up."""
    d = begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.2/initrd.img-6.9.2"
    small(m, "6.9.2", initrd_mb=8 if SLOW == 1 else 5)
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    m.umount("b", lazy=True)
    wait_told(d, "target-missing", m.esp("b"))
    wait_until(lambda: not workers(), 1.5 / SLOW, "the end of its worker")
    d.wait_status(f"{m.esp('b')} not mounted")
    expect(os.listdir(m.esp("b")) == [], "written below")
    expect(os.path.getsize(f"{m.root}/{path}") > 0 and d.running, "the daemon goes on")
    m.mount("b")
    m.wait_mirrored(timeout=20)
    d.wait_idle()
    expect_once(d, "target-back")
    expect(not leftovers(m.esp("b")), "leftovers")


@scenario()
def scenario_bind_gone(m):
    """ROOT unmounted: nothing is written any more, and the daemon ends with status 69."""
    d = begin(m, "6.9.1", config=FAST)
    before = tree(m.esp("b"))
    m.umount(m.root)
    write(f"{m.esp('a')}/{m.token}/6.9.1/linux", "written behind its back")
    expect(d.wait(5) == LOST, f"status {d.process.returncode}")
    expect_once(d, "bind-lost")
    expect_unchanged(before, m.esp("b"), "written after the bind was gone")
    d = m.start()
    m.wait_mirrored()


@scenario()
def scenario_bind_gone_during_a_copy(m):
    """The same in the middle of a copy: what was there stays whole, the new file isn't
    published."""
    d = begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    before = tree(m.esp("b"))
    path = f"{m.token}/6.9.1/initrd.img-6.9.1"
    write_random(f"{m.root}/{path}", 4, "larger")
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    m.umount(m.root, lazy=True)
    expect(d.wait(10) == LOST, f"status {d.process.returncode}")
    wait_until(lambda: not workers(), 5, "the worker is gone")
    after = {k: v for k, v in tree(m.esp("b")).items() if ".bootsync-" not in k}
    expect(after == before, f"{differences(before, after)}")
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    expect(not leftovers(m.esp("b")), "leftovers")


@scenario()
def scenario_active_esp_gone(m):
    """The active ESP's own mount taken away (lazily), with ROOT or without: nothing is taken for
    removed, and the daemon ends with status 69."""
    for at_root in (False, True):
        d = begin(m, "6.9.1", config=FAST)
        before = tree(m.esp("b"))
        m.umount("a", lazy=True)
        if at_root:
            m.umount(m.root, lazy=True)
        expect(d.wait(5) == LOST, f"status {d.process.returncode}")
        expect_unchanged(before, m.esp("b"), "written after the source was gone")
        while m.root in m.mounts():
            m.umount(m.root)
        m.mount("a")


@scenario(esps="abc")
def scenario_other_file_system_at_root(m):
    """Something else mounted over ROOT: the source is not there any more."""
    d = begin(m, "6.9.1", config=FAST)
    before = tree(m.esp("b"))
    m.tmpfs(m.root)
    expect(d.wait(5) == LOST, f"status {d.process.returncode}")
    expect_unchanged(before, m.esp("b"), "written after ROOT was covered")


# -- delays

@scenario()
def scenario_debounce(m):
    """A change is mirrored DebounceSec after the last one, not before."""
    config = CONFIG.replace("200ms", "1200ms").replace("MaxDelaySec=2s", "MaxDelaySec=60s")
    d = begin(m, "6.9.1", config=config)
    path = f"{m.token}/6.9.1/file"
    for number in range(5):
        write(f"{m.root}/{path}", f"{number}")
        time.sleep(0.2)
    hold(lambda: there(m, path) is None, 0.7, "DebounceSec is kept")
    wait_until(lambda: there(m, path) == b"4", 2, "mirrored")
    expect(d.count_log("mirrored 1 file") == 1, f"{d.log}")


@scenario()
def scenario_a_writer_that_never_stops(m):
    """One who writes every 0.1 s for ever is mirrored within MaxDelaySec, again and again."""
    begin(m, "6.9.1", config=CONFIG.replace("200ms", "1s"))
    path, stop = f"{m.token}/6.9.1/file", threading.Event()
    pause = 0.1 if SLOW == 1 else 0.8  # longer than a copy takes

    def writer():
        number = 0
        while not stop.wait(pause):
            number += 1
            write(f"{m.root}/{path}", f"{number:06}")
    thread = threading.Thread(target=writer)
    thread.start()
    try:
        wait_until(lambda: there(m, path), 4, "mirrored")
        first = there(m, path)
        wait_until(lambda: there(m, path) != first, 4, "mirrored again")
        expect(re.fullmatch(rb"\d{6}", there(m, path)), f"half of it: {there(m, path)}")
    finally:
        stop.set()
        thread.join()
    m.wait_mirrored()


@scenario()
def scenario_open_for_writing(m):
    """A file that is open for writing isn't copied half-written; others are not held up longer
    than MaxDelaySec; entries that name it wait; closed, it is mirrored at once."""
    d = begin(m, "6.9.1", config=FAST)
    top = f"{m.token}/6.9.2"
    os.makedirs("/lib/modules/6.9.2")
    write(f"{m.root}/{top}/linux", "kernel")
    with open(f"{m.root}/{top}/initrd", "wb", buffering=0) as file:
        file.write(b"first half, ")
        write(entry(m, "6.9.2"), f"linux /{top}/linux\ninitrd /{top}/initrd\n")
        write(f"{m.root}/{m.token}/6.9.1/other", "other")
        wait_until(lambda: there(m, f"{top}/linux") and there(m, f"{m.token}/6.9.1/other"), 3,
                   "the others")
        wait_told(d, "busy", "initrd")
        hold(lambda: there(m, f"{top}/initrd") is None and not os.path.exists(
            entry(m, "6.9.2", "b")), 1.5, "half-written")
        file.write(b"second half")
        expect_once(d, "busy")
    m.wait_mirrored(timeout=3)
    expect(there(m, f"{top}/initrd") == b"first half, second half", "content")


@scenario()
def scenario_written_slowly(m):
    """A file that is written for longer than DebounceSec and closed before MaxDelaySec is copied
    once, when it is closed."""
    d = begin(m, "6.9.1", config=CONFIG.replace("200ms", "50ms").replace("2s\n", "60s\n"))
    path = f"{m.token}/6.9.1/slow"
    with open(f"{m.root}/{path}", "wb", buffering=0) as file:
        file.write(b"begin, ")
        time.sleep(0.8)
        expect(there(m, path) is None and told(d, "busy") == 0, f"looked at while open: {d.log}")
        file.write(b"end")
    wait_until(lambda: there(m, path) == b"begin, end", 2, "mirrored")
    expect(d.count_log("mirrored") == 2, f"{d.log}")


@scenario()
def scenario_rewritten_in_place_while_open(m):
    """A good file that is being rewritten in place stays as it is on the target till the end."""
    d = begin(m, "6.9.1", config=FAST)
    path = f"{m.token}/6.9.1/linux"
    good = there(m, path)
    with open(f"{m.root}/{path}", "r+b", buffering=0) as file:
        file.write(b"x" * 1000)
        wait_told(d, "busy")
        hold(lambda: there(m, path) == good, 1, "a half-written file was copied")
        file.write(b"y" * 1000)
    m.wait_mirrored(timeout=3)


# -- changes while it copies

@scenario()
def scenario_source_changes_during_its_copy(m):
    """A source that changes while it is copied is not published, and copied again: the target
    never has a mixture."""
    d = begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.1/initrd.img-6.9.1"
    good, seen = there(m, path), set()
    old = os.stat(f"{m.root}/{path}")
    write_random(f"{m.root}/{path}", 4, "first")
    first = open(f"{m.root}/{path}", "rb").read()
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    time.sleep(PIECE * 1.5)
    second = b"S" * 1000 + first[1000:]
    with open(f"{m.root}/{path}", "r+b") as file:  # same size, at a place that was copied
        file.write(second[:1000])
    deadline = time.monotonic() + 15 * SLOW
    while there(m, path) != second and time.monotonic() < deadline:
        seen.add(there(m, path))
        time.sleep(0.05)
    expect(there(m, path) == second, "the second version did not arrive")
    expect(seen <= {good, second}, f"{[part and part[:9] for part in seen]} {old.st_size}")
    d.wait_idle()
    expect(not leftovers(m.esp("b")), "leftovers")


@scenario()
def scenario_removed_during_its_copy(m):
    """A source that is removed while it is copied is not published."""
    d = begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.1/extra.img"
    write_random(f"{m.root}/{path}", 3, "extra")
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    os.unlink(f"{m.root}/{path}")
    d.wait_idle()
    expect(there(m, path) is None and not leftovers(m.esp("b")), "published")
    expect("in sync" in d.status, d.status)


@scenario()
def scenario_changes_during_a_round(m):
    """What is changed while a round is at work is not forgotten."""
    begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.1/big.img"
    write_random(f"{m.root}/{path}", 3, "big")
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    write(f"{m.root}/{m.token}/6.9.1/new/dir/file", "meanwhile")
    write(entry(m, "6.9.1"), open(entry(m, "6.9.1"), encoding="ascii").read() + "# meanwhile\n")
    m.wait_mirrored()


@scenario()
def scenario_removed_during_a_round(m):
    """What is seen removed while a round is at work is not forgotten at its end: the next one knows
    that somebody saw it go."""
    d = begin(m, "6.9.1", "6.9.2", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.2/big.img"
    write_random(f"{m.root}/{path}", 3, "big")
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    m.remove_kernel("6.9.1", modules=False)
    m.wait_mirrored()
    expect(told(d, "extra") == 0, f"{d.log}")


# -- time stamps prove nothing

@scenario()
def scenario_same_size_rewrite(m):
    """A rewrite of the same size and with the same young time stamp is never missed: live, right
    after the start, while the daemon was not running."""
    d = begin(m, "6.9.1", config=FAST)
    path = f"{payload(m, '6.9.1')}/file"
    write(path, b"content 0")
    young = time.time() + 60  # so that it still is young when a slow machine comes to look at it
    os.utime(path, (young, young))
    stamp = os.stat(path)
    for number in range(1, 5):
        m.wait_mirrored()
        rewrite(path, b"content %d" % number, stamp)
    m.wait_mirrored()
    d.wait_idle()
    d.stop()
    rewrite(path, b"content 5", stamp)
    d = m.start()
    rewrite(path, b"content 6", stamp)
    m.wait_mirrored()
    d.wait_idle()
    d.kill()
    rewrite(path, b"content 7", stamp)
    m.start()
    m.wait_mirrored()


@scenario()
def scenario_same_size_rewrite_on_the_target(m):
    """The same on a target: a look at everything finds it, whatever its time stamp says."""
    d = begin(m, "6.9.1", config=FAST)
    path = f"{payload(m, '6.9.1', 'b')}/linux"
    stamp = os.stat(path)
    data = there(m, f"{m.token}/6.9.1/linux")
    rewrite(path, b"rot" + data[3:])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 4_000_000_000))
    d.reload()
    m.wait_mirrored()
    expect_once(d, "drift", "linux")


@scenario()
def scenario_written_through_a_mapping(m):
    """Writes through a shared mapping make no event of their own; the end of the mapping does."""
    begin(m, "6.9.1", config=FAST)
    path = f"{payload(m, '6.9.1')}/linux"
    script = ("import mmap, os, sys, time\n"
              f"fd = os.open({path!r}, os.O_RDWR)\n"
              "area = mmap.mmap(fd, 0)\n"
              "os.close(fd)\n"
              "area[0:6] = b'mapped'\n"
              "time.sleep(0.4)\n"
              "area[50000:50006] = b'mapped'\n")
    stamp = os.stat(path)
    subprocess.run([sys.executable, "-SEc", script], check=True)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    expect(open(path, "rb").read(6) == b"mapped" and mmap.PAGESIZE > 0, "written")
    m.wait_mirrored()


# -- the slow timer

@scenario(esps="abc")
def scenario_periodic_rescan(m):
    """Each RescanIntervalSec everything is looked at: drift on a target is repaired, and said."""
    d = begin(m, "6.9.1", config=FAST.replace("[Mirror]", "[Mirror]\nRescanIntervalSec=1s"))
    write(f"{m.esp('b')}/{m.token}/6.9.1/linux", "drift")
    os.unlink(entry(m, "6.9.1", "c"))
    m.wait_mirrored(timeout=4)
    wait_told(d, "drift", f"{m.esp('b')}: {m.token}/6.9.1/linux")
    wait_told(d, "drift", f"{m.esp('c')}: loader/entries")
    expect("in sync" in d.status, d.status)
    write(f"{m.esp('b')}/{m.token}/6.9.1/linux", "drift again")
    m.wait_mirrored(timeout=4)
    expect(told(d, "drift", "6.9.1/linux") == 2, f"{d.log}")


# -- signals

@scenario(esps="abc")
def scenario_sigterm_commits(m):
    """SIGTERM: what is pending is on the mirrors when the daemon ends, with status 0."""
    install(m, "6.9.1")
    d = m.start(config=SLOW_TIMERS)
    m.wait_mirrored()
    d.wait_idle()
    small(m, "6.9.2")
    m.remove_kernel("6.9.1")
    time.sleep(0.3)
    expect(names(m, "b", m.token) == ["6.9.1"], "debounced")
    expect(d.stop() == 0, "exit status")
    m.assert_mirrored()
    expect(d.wait_notify("^STOPPING=1$"), "STOPPING=1")
    expect(told(d, "stop-pending") == 0, f"{d.log}")


@scenario()
def scenario_sigterm_right_after_the_change(m):
    """SIGTERM in the very moment of a change, events still in the queue: it is mirrored."""
    d = begin(m, "6.9.1", config=SLOW_TIMERS)
    d.signal(signal.SIGSTOP)
    small(m, "6.9.2")
    d.signal(signal.SIGTERM)
    d.signal(signal.SIGCONT)
    expect(d.wait() == 0, "exit status")
    m.assert_mirrored()


@scenario()
def scenario_sigterm_during_a_copy(m):
    """SIGTERM during a copy: it is finished, with what is behind it; a second one changes
    nothing."""
    d = begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.2/initrd.img-6.9.2"
    small(m, "6.9.2", initrd_mb=3)
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    write(f"{m.root}/{m.token}/6.9.2/late", "changed during the copy")
    pid = d.pid
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.2)
    os.kill(pid, signal.SIGTERM)
    expect(d.wait(20) == 0, "exit status")
    m.assert_mirrored()
    expect(not leftovers(m.esp("b")), "leftovers")


@scenario()
def scenario_sigterm_with_a_file_open(m):
    """SIGTERM while a file is open for writing: all else is mirrored, and what isn't is said."""
    d = begin(m, "6.9.1", config=SLOW_TIMERS)
    with open(f"{payload(m, '6.9.1')}/open", "wb", buffering=0) as file:
        file.write(b"half")
        write(f"{payload(m, '6.9.1')}/other", "other")
        expect(d.stop() == 0, "exit status")
    expect(there(m, f"{m.token}/6.9.1/other") == b"other", "the other one")
    expect(there(m, f"{m.token}/6.9.1/open") is None, "a half-written file was copied")
    expect_once(d, "stop-pending")


@scenario()
def scenario_sighup_during_a_round(m):
    """SIGHUP during a copy: settings are read at once, and a look at everything follows."""
    d = begin(m, "6.9.1", config=FAST, wrap=SLOW_DISK)
    path = f"{m.token}/6.9.1/big.img"
    write_random(f"{m.root}/{path}", 3, "big")
    write(f"{m.root}/loader/loader.conf", "timeout 3\n")
    wait_until(lambda: copying(m, path), 10, "the copy begins")
    m.dropin("[Mirror]\nExtraPaths=loader/loader.conf\n")
    os.unlink(f"{m.esp('b')}/{m.token}/6.9.1/linux")
    d.reload()
    expect(copying(m, path), "the copy was over before the signal: nothing was tested")
    m.wait_mirrored(scope=m.scope() + ["loader/loader.conf"])
    d.wait_idle()
    expect_once(d, "drift", "linux")


@scenario()
def scenario_sighup_with_events_pending(m):
    """A round that a signal begins counts all events that were there before it: what was seen to go
    is not reported as an extra."""
    install(m, "6.9.1")
    for number in range(8):
        write(f"{m.esp('a')}/{m.token}/6.9.1/file{number}", "x")
    d = m.start(config=FAST)
    m.wait_mirrored()
    d.wait_idle()
    for number in range(8):
        d.signal(signal.SIGSTOP)
        if number % 2:
            d.signal(signal.SIGHUP)
        os.unlink(f"{payload(m, '6.9.1')}/file{number}")
        if number % 2 == 0:
            d.signal(signal.SIGHUP)
        d.signal(signal.SIGCONT)
        m.wait_mirrored()
    d.wait_idle()
    expect(told(d, "extra") == 0, f"{d.log}")
