# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rig proves itself: what the scenarios rely on, without the program under test.

A few lines of python stand in for the daemon where one is needed.
"""

import ctypes
import errno
import os
import signal
import struct
import subprocess
import threading
import time
import uuid

from machine import *

STANDIN = r"""
import os, signal, socket, sys, time

def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])

def reload(*_):
    notify("RELOADING=1\nMONOTONIC_USEC=1")
    notify("READY=1\nSTATUS=reloaded")

def stop(*_):
    notify("STOPPING=1")
    sys.exit(7)

if sys.argv[1:] == ["verb"]:
    print("out", sys.stdin.read())
    print("err", file=sys.stderr)
    sys.exit(3)
signal.signal(signal.SIGHUP, reload)
signal.signal(signal.SIGTERM, stop)
print("hello", open("/etc/bootsync/bootsync.conf").readline().strip(), flush=True)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(b"MESSAGE=one\nTEXT\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=6\n",
                "/run/systemd/journal/socket")
held = open("/boot@a/held", "w")
notify("READY=1\nSTATUS=up")
time.sleep(0.5)
held.close()
while True:
    signal.pause()
"""


def standin(m):
    """Let the machine's program be the stand-in."""
    write("/usr-local-standin", "#!/usr/bin/python3 -SE" + STANDIN)
    os.chmod("/usr-local-standin", 0o755)
    m.binary = "/usr-local-standin"


def error_of(function, *args):
    """The errno name that a call fails with, or None."""
    try:
        function(*args)
        return None
    except OSError as error:
        return errno.errorcode[error.errno]


# -- the machine

@scenario(esps="abc", mounted="ab", root="/boot/efi")
def scenario_mounts(m):
    mounts = m.mounts()
    expect(sorted(p for p in mounts if "@" in p) == ["/boot/efi@a", "/boot/efi@b"], f"{mounts}")
    for x in "ab":
        number, _, fs, _ = mounts[m.esp(x)]
        expect(fs == m.fs, f"{fs}")
        expect(number == f"{os.major(m.devno(x))}:{os.minor(m.devno(x))}", number)
        expect(os.stat(m.esp(x)).st_dev == m.devno(x), "device number")
        expect(os.listdir(m.esp(x)) == [], "a new ESP is empty")
    expect(os.listdir("/boot/efi") == [] and m.bound() is None, "ROOT is empty and not bound")
    m.mount("c")
    expect(os.stat(m.esp("c")).st_dev == m.devno("c"), "mounted later")
    m.umount("c")
    m.mount("c")
    m.bind(m.esp("a"), m.root)
    expect(m.bound() == "a", f"bound: {m.bound()}")
    expect("Root=/boot/efi" in open("/etc/bootsync/bootsync.conf", encoding="utf-8").read(),
           "configuration names the root")


@scenario()
def scenario_names_of_partitions(m):
    for x in "ab":
        link = f"/dev/disk/by-partuuid/{m.partuuid(x)}"
        expect(os.stat(link).st_rdev == m.devno(x), "udev link")
        found = m.shell(f"findfs PARTUUID={m.partuuid(x)}").stdout.strip()
        expect(os.path.realpath(found) == os.path.realpath(m.device(x)), f"findfs: {found}")
        number = f"{os.major(m.devno(x))}:{os.minor(m.devno(x))}"
        text = open(f"/run/udev/data/b{number}", encoding="ascii").read()
        expect(text == f"I:1\nE:ID_PART_ENTRY_UUID={m.partuuid(x)}\n", text)
        expect(os.path.isdir(f"/sys/dev/block/{number}/"), "sysfs by device number")
    m.pull_disk("b")
    expect(not os.path.exists(f"/sys/dev/block/{number}"), "pulled")
    expect(os.path.ismount(m.esp("b")), "a pulled disk stays mounted")
    m.plug_disk("b")
    expect(os.path.isdir(f"/sys/dev/block/{number}/"), "plugged")


@scenario(booted="b")
def scenario_efi_variables(m):
    top = "/sys/firmware/efi/efivars"
    name = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    data = open(f"{top}/{name}", "rb").read()
    expect(data[:4] == b"\6\0\0\0" and data[-2:] == b"\0\0", f"{data}")
    expect(data[4:-2].decode("utf-16-le") == m.partuuid("b").upper(), f"{data}")
    m.del_var("LoaderDevicePartUUID")
    expect(os.listdir(top) == [], "removed")
    m.set_boot_current(0x2A)
    m.set_boot_entry(0x2A, "b")
    guid = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
    expect(open(f"{top}/BootCurrent-{guid}", "rb").read() == b"\6\0\0\0\x2a\0", "BootCurrent")
    data = open(f"{top}/Boot002A-{guid}", "rb").read()[4:]
    attributes, length = struct.unpack_from("<IH", data)
    start = data.index(b"\0\0\0", 6) + 3  # the description's last letter has a NUL of its own
    path = data[start:]
    expect(attributes == 1 and len(path) == length, f"{length} {len(path)}")
    expect(path[:4] == b"\4\1\x2a\0", "an HD() node of 42 bytes")
    expect(uuid.UUID(bytes_le=path[24:40]) == uuid.UUID(m.partuuid("b")), "its GUID")
    expect(path[40:42] == b"\2\2", "GPT, GUID signature")
    expect(path[-4:] == b"\x7f\xff\4\0", "the end node")


@scenario()
def scenario_host_is_out_of_reach(m):
    expect(os.listdir("/boot") == [], "/boot is the machine's")
    expect(error_of(open, "/usr/leak", "w") == "EROFS", "/usr is read-only")
    expect(error_of(open, "/usr/lib/leak", "w") == "EROFS", "and below")
    expect(os.listdir("/lib/modules") == [] and not os.path.islink("/lib"), "/lib/modules is ours")
    os.mkdir("/lib/modules/6.1.0")
    here = os.path.dirname(os.path.abspath(__file__))
    expect(error_of(open, f"{here}/leak", "w") == "EROFS", "the sources are read-only")
    expect(open("/etc/machine-id", encoding="ascii").read() == MACHINE_ID + "\n", "machine id")
    expect(open("/proc/1/comm", encoding="ascii").read() != "systemd\n", "processes are ours")
    expect(len([name for name in os.listdir("/proc") if name.isdigit()]) <= 3, "only ours")
    for path in ("/run", "/var/lib", "/tmp", "/home", "/dev/mapper", "/var/tmp"):
        write(f"{path}/mine", "x")
    routes = open("/proc/net/route", encoding="ascii").read().splitlines()
    expect(len(routes) <= 1, f"no way out: {routes}")
    m.shell("true && ls /etc/alternatives >/dev/null && python3 -c 'import json'")


@scenario()
def scenario_loop_devices_clear_themselves(m):
    path = f"/sys/dev/block/{os.major(m.devno('a'))}:{os.minor(m.devno('a'))}/loop/autoclear"
    expect(open(path, encoding="ascii").read() == "1\n", "autoclear")


class Inotify:
    """Just enough of inotify(7)."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, path, mask):
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        expect(self.libc.inotify_add_watch(self.fd, path.encode(), mask) >= 0, "add_watch")

    def read(self):
        """Names and masks of what came."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        events, at = [], 0
        while at < len(data):
            _, mask, _, size = struct.unpack_from("iIII", data, at)
            events.append((mask, data[at + 16:at + 16 + size].rstrip(b"\0").decode()))
            at += 16 + size
        return events


@scenario()
def scenario_events_pass_through_a_bind(m):
    m.bind(m.esp("a"), m.root)
    watch = Inotify(m.root, 0x00000100 | 0x8)  # IN_CREATE, IN_CLOSE_WRITE
    write(f"{m.esp('a')}/news", "x")
    expect(watch.read() == [(0x100, "news"), (0x8, "news")], "events of the other path")
    m.umount(m.root)
    expect(watch.read() == [], "unmounting only the bind says nothing")
    m.umount("a")
    expect(watch.read()[0][0] & 0x2000, "unmounting the file system says IN_UNMOUNT")


@scenario()
def scenario_read_only_and_full(m):
    m.skeleton("b")
    m.remount_ro("b")
    expect(error_of(write, f"{m.esp('b')}/x", "x") == "EROFS", "read-only")
    m.remount_rw("b")
    write(f"{m.esp('b')}/x", "x")
    os.unlink(f"{m.esp('b')}/x")
    path = m.fill("b", leave=1 << 20)
    expect(0 <= m.free("b") - (1 << 20) <= 1 << 17, f"free: {m.free('b')}")
    expect(error_of(write_random, f"{m.esp('b')}/y", 2, "y") == "ENOSPC", "full")
    os.unlink(path)
    m.tmpfs("/var", readonly=True)
    expect(error_of(write, "/var/x", "x") == "EROFS", "/var read-only")


@scenario(esps="abc")
def scenario_kernels_and_trees(m):
    m.skeleton("a")
    order = []
    for step in m.kernel_steps("6.9.1", counter=3):
        order.append(step)
        expect(bool(m.entries("6.9.1")) == (step == "entry"), "the entry comes last")
    expect(order == ["modules", "directory", "linux", "initrd", "entry"], f"{order}")
    expect(m.entries()[0].endswith(f"/{MACHINE_ID}-6.9.1+3.conf"), f"{m.entries()}")
    m.add_kernel("6.9.1", where=m.esp("b"), counter=3)
    m.assert_mirrored("b")
    expect(differences(m.esp("a"), m.esp("b")) != [], "the loader is not on b")
    m.add_kernel("6.9.1", where=m.esp("c"), counter=3, seed=1)
    lines = differences(m.esp("a"), m.esp("c"), m.scope())
    expect(len(lines) == 2 and "linux" in lines[1], f"another seed, other content: {lines}")
    m.add_uki("6.9.2", "fedora", counter="2-1")
    expect(os.path.exists(f"{m.esp('a')}/EFI/Linux/fedora-6.9.2+2-1.efi"), "a UKI")
    m.remove_uki("6.9.2", token="fedora")
    before = tree(m.esp("c"))
    m.add_kernel("6.9.10", where=m.esp("c"))
    m.remove_kernel("6.9.10", where=m.esp("c"))
    assert_same(before, m.esp("c"))
    expect(os.listdir("/lib/modules") in (["6.9.1", "6.9.2"], ["6.9.2", "6.9.1"]), "modules")
    entry = tree(m.esp("a"))[f"{MACHINE_ID}/6.9.1/linux"]
    expect(entry[:2] == ("f", 1 << 20) and len(entry[2]) == 64, f"{entry}")


@scenario()
def scenario_replace_and_reboot(m):
    m.skeleton("a")
    first = m.devno("b")
    write(f"{m.esp('b')}/old", "x")
    m.umount("b")
    m.add_esp("b", uuid="12345678-1234-1234-1234-123456789abc")
    expect(m.partuuid("b").startswith("12345678") and os.listdir(m.esp("b")) == [], "a new disk")
    expect(first is not None and os.stat(m.esp("b")).st_dev == m.devno("b"), "its device")
    m.bind(m.esp("a"), m.root)
    m.reboot(booted="b")
    expect(m.bound() is None and "loader" in os.listdir(m.esp("a")), "after the reboot")


# -- the daemon's side

@scenario()
def scenario_daemon_control(m):
    standin(m)
    start = time.monotonic()
    d = m.start(config="# mine\n")
    expect(d.log == ["hello # mine"], f"{d.log}")
    expect(start < d.notify[0].time <= time.monotonic() and d.status == "up", f"{d.notify}")
    record = m.journal.wait(MESSAGE="on.")
    expect(record["TEXT"] == "a\nb" and record.pid == d.pid, f"{record} {record.pid} {d.pid}")
    expect(d.fds("/boot@a") == ["/boot@a/held"], f"{d.fds()}")
    expect(d.esp_fds() == ["/boot@a/held"], f"{d.esp_fds()}")
    d.wait_idle()
    expect(d.esp_fds() == [], "idle, yet a file is open")
    expect(time.monotonic() - d.notify[0].time > 0.8, "idle too early")
    d.reload()
    expect(d.wait_status("reloaded"), "reloaded")
    expect(d.stop() == 7, "exit status")
    expect(d.wait_notify("^STOPPING=1$") and d.count_log("hello") == 1, "last words")
    result = m.run("verb", stdin="text")
    expect((result.status, result.stdout, result.stderr) == (3, "out text\n", "err\n"), f"{result}")
    d = m.start(wrap=["/usr/bin/env"])
    expect(d.kill() == -signal.SIGKILL, "killed")


@scenario()
def scenario_strace_works(m):
    standin(m)
    m.binary = "/bin/sh"
    result = m.run("-c", "sync", wrap=["strace", "-f", "-o", "/tmp/trace", "-e", "trace=sync"])
    text = open("/tmp/trace", encoding="ascii").read()
    expect(result.status == 0 and "sync()" in text, text)
    result = m.run("-c", "cat /etc/hostname", wrap=[
        "strace", "-f", "-o", "/tmp/trace", "-e", "inject=read:error=EIO:when=1+",
        "-P", "/etc/hostname"])
    expect(result.status == 1 and "Input/output error" in result.stderr, f"{result}")


@scenario()
def scenario_waiting_says_what_it_waits_for(m):
    try:
        wait_until(lambda: False, 0.1, "the moon")
    except Failed as failure:
        expect("the moon" in str(failure), str(failure))
        return
    raise Failed("no failure")


# -- vfat and device-mapper

@scenario(fs_only="vfat", esps="abc")
def scenario_vfat_habits(m):
    write(f"{m.esp('a')}/Loader.Conf", "x")
    expect(os.path.exists(f"{m.esp('a')}/lOADER.cONF"), "names compare without case")
    stamp = os.stat(f"{m.esp('a')}/Loader.Conf").st_mtime
    expect(stamp == int(stamp) and int(stamp) % 2 == 0, f"2 s grain: {stamp}")
    expect(error_of(os.symlink, "x", f"{m.esp('a')}/link") == "EPERM", "no links")
    expect(os.stat(f"{m.esp('a')}/Loader.Conf").st_mode & 0o777 == 0o700, "umask")
    m.umount("c")
    m.add_esp("c", fat=16, cluster=4096, size=32 << 20)
    expect(os.statvfs(m.esp("c")).f_bsize == 4096, "cluster size")


@scenario(dm=True)
def scenario_a_dead_disk_lists_nothing(m):
    m.skeleton("a")
    m.add_kernel("6.9.1")
    before = tree(m.esp("a"))
    m.break_disk("a")
    after = tree(m.esp("a"))
    print("a dead disk:", after)
    expect(not [path for path, entry in after.items() if entry[0] == "f"], f"{after}")
    expect(before != after, "nothing is missing")
    expect(tree(m.esp("b")) == {}, "the other disk is well")
    m.heal_disk("a")
    m.drop_caches()
    assert_same(before, m.esp("a"))


@scenario(dm=True)
def scenario_one_bad_directory(m):
    m.skeleton("a")
    for number in range(1, 30):
        m.add_kernel(f"6.9.{number}", linux_mb=0.01, initrd_mb=0.01)
    names = os.listdir(f"{m.esp('a')}/loader/entries")
    ranges = m.sectors("a", "loader/entries")
    expect(len(names) == 29 and len(ranges) > 3, f"{len(names)} {ranges}")
    m.break_disk("a", ranges[1:2])
    left = os.listdir(f"{m.esp('a')}/loader/entries")
    print("of 29 names, with one bad sector:", len(left))
    expect(0 < len(left) < 29, f"{left}")
    m.heal_disk("a")
    path = f"{MACHINE_ID}/6.9.1/linux"
    m.break_disk("a", m.sectors("a", path))
    expect(tree(m.esp("a"))[path] == ("!", 0, "Input/output error"), "a bad file")
    m.heal_disk("a")
    m.break_disk("a", m.sectors("a"))
    write_error = error_of(write_random, f"{m.esp('a')}/new", 1, "new")
    print("a bad allocation table, on write:", write_error)


@scenario(dm=True)
def scenario_a_hung_disk(m):
    m.skeleton("b")
    m.suspend_disk("b")
    done = []

    def flush():
        fd = os.open(f"{m.esp('b')}/late", os.O_CREAT | os.O_WRONLY)
        os.write(fd, b"x")
        os.fsync(fd)
        os.close(fd)
        done.append(True)
    thread = threading.Thread(target=flush)
    thread.start()
    hold(lambda: not done, 0.5, "hung fsync")
    m.resume_disk("b")
    thread.join(10)
    expect(done, "fsync after resume")


@scenario(dm=True, esps="a")
def scenario_pulled_disk(m):
    m.skeleton("a")
    m.pull_disk("a")
    expect(not [x for x in tree(m.esp("a")).values() if x[0] == "f"], "readable")
    m.plug_disk("a")


@scenario(fs_only="vfat")
def scenario_own_kernel(m):
    if not m.own_kernel:
        return  # real vfat here: then these would change the host, and refuse to
    m.sysctl("fs/inotify/max_user_watches", 3)
    m.jump_clock(3600)
    m.jump_clock(-3600)
    m.load_module("drivers/md/dm-dust")
    expect("dust" in m.shell("dmsetup targets").stdout, "a module")


@scenario(fs_only="vfat")
def scenario_how_slow(m):
    """Prints what a scenario's author should know; it cannot fail."""
    start = time.monotonic()
    for _ in range(10):
        subprocess.run(["/bin/true"], check=True)
    spawn = (time.monotonic() - start) / 10
    start = time.monotonic()
    m.add_kernel("6.9.1", initrd_mb=8, linux_mb=0)
    os.sync()
    copy = (time.monotonic() - start) / 8
    start = time.monotonic()
    tree(m.esp("a"))
    print(f"a program start {spawn * 1000:.0f} ms, writing 1 MB {copy * 1000:.0f} ms, "
          f"8 MB read and digested {(time.monotonic() - start) * 1000:.0f} ms")
