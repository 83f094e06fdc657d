# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bind: which partition was booted from, the wait for it, ROOT, and its adoption."""

import os
import shutil
import time

import sysns
from machine import *

QUICK = CONFIG.replace("BindTimeoutSec=2s", "BindTimeoutSec=500ms")
PATIENT = CONFIG.replace("BindTimeoutSec=2s", "BindTimeoutSec=30s")

# What starting a process and a few system calls may take.
SOON = 1.5 * SLOW


def install(m, x="a"):
    """A boot loader and a small kernel on one ESP."""
    m.skeleton(x)
    m.add_kernel("6.9.1", where=m.esp(x), linux_mb=0.1, initrd_mb=0.2)


def expect_refused(m, result, *words, status=1):
    """The bind step ended with an error that holds all the words, and bound nothing."""
    expect(result.status == status, f"{result}")
    for word in words:
        expect(word in result.stderr, f"{word!r} is not said: {result}")
    expect(result.stderr.count("error: ") == 1, f"not one error: {result}")
    expect(m.root not in m.mounts() or m.bound() == "?", f"ROOT is bound: {m.mounts()}")


def expect_bound(m, x, result=None, word=""):
    """ROOT is ESP x, once."""
    expect(result is None or result.status == 0 and word in result.stderr, f"{result}")
    expect(m.bound() == x, f"bound: {m.bound()}")
    expect(mounts_on(m.root) == 1, f"{mounts_on(m.root)} mounts on ROOT")


def udev_record(m, x, uuid=None):
    """What udev's data base says of ESP x, in its real form: the GUID is never the first line."""
    device = m.devno(x)
    write(f"/run/udev/data/b{os.major(device)}:{os.minor(device)}",
          f"S:disk/by-diskseq/1-part1\nI:2100000\nE:DEVTYPE=partition\n"
          f"E:ID_PART_ENTRY_UUID={uuid or m.partuuid(x)}\nE:ID_PART_ENTRY_NUMBER=1\n")


def mounts_on(path):
    """How many mounts are stacked there."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return sum(line.split()[4] == path for line in file)


def switches(pid):
    """Changes whenever a process runs."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return [line for line in file if "ctxt_switches" in line]


def waits_without_polling(d, seconds=0.7):
    """A started program sleeps, and nothing wakes it up."""
    wait_until(lambda: "poll" in open(f"/proc/{d.pid}/wchan", encoding="ascii").read() or
               switches(d.pid) == (time.sleep(0.3 * SLOW), switches(d.pid))[1], 5, "asleep")
    before = switches(d.pid)
    hold(lambda: d.running and switches(d.pid) == before, seconds, "asleep, and not bound")


def ends_soon(d, since, status=0):
    """It ends at once after what happened at `since`."""
    expect(d.wait() == status, "exit status")
    expect(time.monotonic() - since < SOON, f"{time.monotonic() - since:.1f} s")


# -- which partition

@scenario(esps="abc", booted="b")
def scenario_loader_variable(m):
    """LoaderDevicePartUUID says which ESP is bound, before Stub… and BootCurrent."""
    m.set_stub_uuid("a")
    m.set_boot_current(1)
    m.set_boot_entry(1, "c")
    expect_bound(m, "b", m.run("bind"),
                 "info: /boot@b is bound to /boot: the machine was booted from it "
                 "(LoaderDevicePartUUID)\n")


@scenario(booted=None)
def scenario_case_of_letters(m):
    """Variables are in upper case, udev's names in lower case; neither has to be."""
    for text in (m.partuuid("a"), m.partuuid("a").upper()):
        m.set_var("LoaderDevicePartUUID", efi.text(text))
        expect_bound(m, "a", m.run("bind"))
        m.umount(m.root)
    os.unlink(f"/dev/disk/by-partuuid/{m.partuuid('a')}")
    udev_record(m, "a", m.partuuid("a").upper())
    expect_bound(m, "a", m.run("bind"))


@scenario(booted=None)
def scenario_variable_appears_late(m):
    """The variable is waited for by events: nothing runs meanwhile, and it is bound at once."""
    m.config(PATIENT)
    d = m.start(["bind"], wait_ready=False)
    waits_without_polling(d)
    m.set_var("LoaderDevicePartUUID", efi.text(m.partuuid("a"))[:20])
    time.sleep(0.2)
    expect(d.running and m.bound() is None, "half a variable was believed")
    since = time.monotonic()
    m.set_loader_uuid("a")
    ends_soon(d, since)
    expect_bound(m, "a")


@scenario(booted=None)
def scenario_efivars_mounted_late(m):
    """The directory of the variables itself may come late."""
    m.config(PATIENT)
    os.rmdir("/sys/firmware/efi/efivars")
    d = m.start(["bind"], wait_ready=False)
    waits_without_polling(d, 0.3)
    os.mkdir("/sys/firmware/efi/efivars")
    time.sleep(0.2)
    since = time.monotonic()
    m.set_loader_uuid("a")
    ends_soon(d, since)
    expect_bound(m, "a")


@scenario(esps="abc", booted=None)
def scenario_stub_variable(m):
    """Without LoaderDevicePartUUID, StubDevicePartUUID counts after BindTimeoutSec=, and before
    BootCurrent."""
    m.config(QUICK)
    m.set_stub_uuid("b")
    m.set_boot_current(1)
    m.set_boot_entry(1, "c")
    since = time.monotonic()
    expect_bound(m, "b", m.run("bind"), "(StubDevicePartUUID)")
    elapsed = time.monotonic() - since
    expect(0.5 <= elapsed < 0.5 + SOON, f"{elapsed:.1f} s")


@scenario(esps="ab", booted=None)
def scenario_malformed_variable(m):
    """A malformed LoaderDevicePartUUID is none: the others are asked, and the error names it."""
    m.config(QUICK.replace("500ms", "100ms"))
    guid = m.partuuid("a")
    for bad in (efi.text(guid)[:-4], efi.text(guid + "0"), efi.text(guid.replace("-", "+")),
                efi.text(guid)[1:], guid.encode(), b"", efi.text("")):
        m.set_var("LoaderDevicePartUUID", bad)
        expect_refused(m, m.run("bind"), "LoaderDevicePartUUID is malformed",
                       "StubDevicePartUUID is not there", "BootCurrent is not there")
    m.set_var("LoaderDevicePartUUID", b"\6", raw=True)
    m.set_stub_uuid("b")
    expect_bound(m, "b", m.run("bind"), "(StubDevicePartUUID)")


@scenario(booted=None)
def scenario_boot_current(m):
    """BootCurrent's Boot#### names the partition by its HD() node.  GUIDs in the description, in
    another node and behind the path are never taken."""
    m.config(QUICK.replace("500ms", "0"))
    decoy = m.partuuid("b")
    nodes = (efi.pci_nodes() + efi.vendor_node(decoy) + efi.hd_node(m.partuuid("a"))
             + efi.file_node(f"\\EFI\\{decoy}.efi") + efi.end_node())
    m.set_boot_current(0x2A)
    m.set_boot_entry(0x2A, efi.load_option(description=decoy, nodes=nodes,
                                           optional=efi.hd_node(decoy) + efi.end_node()))
    m.set_boot_entry(0x2B, "b")
    expect_bound(m, "a", m.run("bind"), "(Boot002A)")


@scenario(booted=None)
def scenario_boot_entry_without_partition(m):
    """An entry without a GPT partition's node is no answer; the error names what was looked at."""
    m.config(QUICK.replace("500ms", "0"))
    m.set_boot_current(1)
    decoy = m.partuuid("a")
    for nodes in (efi.pci_nodes() + efi.end_node(),
                  efi.vendor_node(decoy) + efi.end_node(),
                  efi.hd_node(decoy, signature_type=1, gpt=False) + efi.end_node()):
        m.set_boot_entry(1, efi.load_option(description=decoy, nodes=nodes,
                                            optional=efi.hd_node(decoy)))
        expect_refused(m, m.run("bind"), "LoaderDevicePartUUID is not there",
                       "StubDevicePartUUID is not there", "Boot0001 names no partition",
                       "Bind=no")
    for bad in (efi.load_option(decoy)[:-9], efi.load_option(decoy)[:5],
                efi.load_option(nodes=efi.hd_node(decoy))):
        m.set_boot_entry(1, bad)
        expect_refused(m, m.run("bind"), "Boot0001 is malformed")
    m.set_boot_current(2)
    expect_refused(m, m.run("bind"), "Boot0002 is not there")


@scenario()
def scenario_no_efi(m):
    """A machine without UEFI has no booted ESP: said at once, without a wait."""
    m.config(PATIENT)
    shutil.rmtree("/sys/firmware/efi")
    since = time.monotonic()
    expect_refused(m, m.run("bind"), "not booted by UEFI", "/sys/firmware/efi")
    expect(time.monotonic() - since < SOON, "it waited")


@scenario(mounted="")
def scenario_names_of_partitions(m):
    """The partition's GUID is known by udev's data base, or by /dev/disk/by-partuuid alone."""
    m.mount("a")
    shutil.rmtree("/run/udev")
    expect_bound(m, "a", m.run("bind"))
    m.umount(m.root)
    udev_record(m, "a")
    shutil.rmtree("/dev/disk")
    expect_bound(m, "a", m.run("bind"))


# -- the wait for the mount

@scenario(mounted="b")
def scenario_mounted_late(m):
    """The booted ESP's mount is waited for by events, and bound at once when it comes."""
    m.config(PATIENT)
    d = m.start(["bind"], wait_ready=False)
    waits_without_polling(d)
    since = time.monotonic()
    m.mount("a")
    ends_soon(d, since)
    expect_bound(m, "a")


@scenario(mounted="b")
def scenario_disk_appears_late(m):
    """A disk that is found late has BindTimeoutSec= from then on to be mounted."""
    m.config(QUICK)
    m._esps["a"].unplug()
    d = m.start(["bind"], wait_ready=False)
    hold(lambda: d.running, 1.2, "waiting for the disk")
    m._esps["a"].plug()
    time.sleep(0.2)
    since = time.monotonic()
    m.mount("a")
    ends_soon(d, since)
    expect_bound(m, "a")


@scenario()
def scenario_name_known_late(m):
    """A mount whose partition udev has yet to name is bound as soon as it has."""
    m.config(PATIENT)
    m._esps["a"].unplug()
    d = m.start(["bind"], wait_ready=False)
    waits_without_polling(d, 0.3)
    since = time.monotonic()
    m._esps["a"].plug()
    ends_soon(d, since)
    expect_bound(m, "a")


@scenario(mounted="b")
def scenario_never_mounted(m):
    """An ESP that is not mounted in time is an error that names it, and what to do."""
    m.config(QUICK)
    since = time.monotonic()
    expect_refused(m, m.run("bind"), f"PARTUUID={m.partuuid('a')}", "/boot@[a-z]", "/etc/fstab")
    elapsed = time.monotonic() - since
    expect(0.5 <= elapsed < 0.5 + SOON, f"{elapsed:.1f} s")
    for place in ("/mnt", "/boot@A", "/boot@aa", "/boot@1", "/boot-a"):
        m.mount("a", at=place)
    m.config(QUICK.replace("500ms", "0"))
    expect_refused(m, m.run("bind"), f"PARTUUID={m.partuuid('a')}")
    m.config(QUICK.replace("500ms", "100ms"))
    m._esps["a"].unplug()
    since = time.monotonic()
    expect_refused(m, m.run("bind"), f"PARTUUID={m.partuuid('a')}", "there is no such disk")
    expect(time.monotonic() - since < 0.6 + SOON, "waited too long for a disk")


@scenario(mounted="b")
def scenario_root_is_filled_meanwhile(m):
    """A file that came into ROOT during the wait counts as one that was there before."""
    m.config(PATIENT)
    d = m.start(["bind"], wait_ready=False)
    time.sleep(0.3 * SLOW)
    write("/boot/late", "x")
    m.mount("a")
    expect(d.wait() == 1 and m.bound() is None, "bound over it")
    d.wait_log(r"^error: /boot is not empty \(it holds 'late'\)")


@scenario(mounted="b")
def scenario_root_is_mounted_meanwhile(m):
    """So does a mount: nothing is stacked upon it."""
    m.config(PATIENT.replace("30s", "2s"))
    d = m.start(["bind"], wait_ready=False)
    time.sleep(0.3 * SLOW)
    m.tmpfs("/boot")
    m.mount("a")
    expect(d.wait() == 1, "exit status")
    d.wait_log(r"^error: What is mounted on /boot \(tmpfs\)")
    expect(mounts_on("/boot") == 1 and m.mounts()["/boot"][2] == "tmpfs", "bound over it")


@scenario(mounted="b")
def scenario_two_at_once(m):
    """Of several that wait for the ESP one binds it, and the others find it bound."""
    m.config(PATIENT)
    waiting = [m.start(["bind"], wait_ready=False) for _ in range(5)]
    time.sleep(0.4 * SLOW)
    m.mount("a")
    expect([d.wait() for d in waiting] == [0] * 5, "exit statuses")
    expect_bound(m, "a")
    expect(sum(d.count_log("the machine was booted from it") for d in waiting) == 1, "one binds")


# -- ROOT

@scenario()
def scenario_root_not_empty(m):
    """Nothing is bound over a ROOT that holds anything, dot files too; what it holds is named."""
    for name in (".hidden", "vmlinuz", "new\nline"):
        write(f"/boot/{name}", "x")
        shown = name.replace("\n", "\\x0a")
        expect_refused(m, m.run("bind"), "/boot is not empty", f"'{shown}'")
        os.unlink(f"/boot/{name}")
    os.mkdir("/boot/empty")
    expect_refused(m, m.run("bind"), "'empty'")
    os.rmdir("/boot/empty")
    expect_bound(m, "a", m.run("bind"))


@scenario()
def scenario_root_is_no_directory(m):
    """ROOT is missing, a file or a link: each said with what to do, and nothing is bound."""
    os.rmdir("/boot")
    expect_refused(m, m.run("bind"), "/boot ", "No such file", "'mkdir -p /boot'")
    write("/boot", "x")
    expect_refused(m, m.run("bind"), "/boot is no directory", "mkdir /boot")
    os.unlink("/boot")
    os.mkdir("/elsewhere")
    os.symlink("/elsewhere", "/boot")
    expect_refused(m, m.run("bind"), "/boot is no directory")
    expect("/elsewhere" not in m.mounts(), "bound behind a link")


@scenario()
def scenario_adopted(m):
    """What is bound already stays: bind twice, start, stop, start again.  (The bash scripts failed
    when they were started twice.)"""
    install(m)
    for _ in range(2):
        expect_bound(m, "a", m.run("bind"))
    for _ in range(2):
        d = m.start()
        m.wait_mirrored("b")
        expect(d.count_log("^info: /boot is bound to /boot@a$") == 1, "not said")
        expect(d.stop() == 0, "exit status")
        expect_bound(m, "a")
    expect(d.count_log("^(error|warning)") == 0, f"{d.log}")


@scenario()
def scenario_stays_bound(m):
    """`run` binds by itself, leaves the bind in place when it stops, and says where the source is
    in /run/bootsync/source."""
    install(m)
    d = m.start()
    expect_bound(m, "a")
    expect(os.readlink("/run/bootsync/source") == "/boot@a", "link")
    expect(d.count_log("is bound to /boot: the machine was booted from it") == 1, f"{d.log}")
    expect(d.stop() == 0, "exit status")
    expect_bound(m, "a")


@scenario()
def scenario_source_link_is_not_needed(m):
    """A /run/bootsync/source that cannot be made is said, and harms nothing."""
    install(m)
    os.makedirs("/run/bootsync/source/x")
    result = m.run("bind")
    expect_bound(m, "a", result, "error: /run/bootsync/source: Is a directory\n")
    m.start()
    m.wait_mirrored("b")


@scenario()
def scenario_source_link_follows(m):
    """/run/bootsync/source is corrected when another ESP is the source."""
    m.run("bind", check=0)
    m.reboot(booted="b")
    os.makedirs("/run/bootsync")
    os.symlink("/boot@a", "/run/bootsync/source")
    expect_bound(m, "b", m.run("bind"))
    expect(os.readlink("/run/bootsync/source") == "/boot@b", "link")


@scenario()
def scenario_bound_to_another(m):
    """The administrator's own bind to another ESP is adopted with a warning: that one is the
    source."""
    install(m, "b")
    m.bind(m.esp("b"), m.root)
    d = m.start()
    expect(d.count_log(f"^warning: /boot is bound to /boot@b, but .*{m.partuuid('a')}") == 1,
           f"{d.log}")
    m.wait_mirrored("a", source=m.esp("b"))
    expect_bound(m, "b")
    expect(d.stop() == 0, "exit status")
    expect(m.run("bind", check=0).stderr.startswith("warning: "), "not said by bind")


@scenario()
def scenario_root_is_foreign(m):
    """ROOT mounted from anything that is no ESP of ours is refused, and left as it is."""
    m.config(QUICK)
    m.tmpfs("/boot")
    expect_refused(m, m.run("bind"), "/boot (tmpfs)", "/boot@[a-z]", "unmount /boot")
    expect(m.run().status == 1, "run")
    expect(m.mounts()["/boot"][2] == "tmpfs" and mounts_on("/boot") == 1, "touched")
    m.umount("/boot")
    os.mkdir("/boot@a/part")
    m.bind("/boot@a/part", "/boot")
    result = m.run("bind")
    expect(result.status == 1 and "error: What is mounted on /boot" in result.stderr, f"{result}")


@scenario(mounted="b")
def scenario_member_of_root_mounted_late(m):
    """ROOT is mounted, and shows up at ROOT@a a little later: adopted then, at once."""
    m.config(PATIENT)
    m.mount("a", at="/boot")
    d = m.start(["bind"], wait_ready=False)
    waits_without_polling(d, 0.3)
    since = time.monotonic()
    m.mount("a")
    ends_soon(d, since)
    expect_bound(m, "a")


@scenario()
def scenario_root_is_automount(m):
    """An autofs on ROOT is explained with its remedy, and not triggered: that would hang."""
    m.config(PATIENT)
    if m.own_kernel:
        m.load_module("fs/autofs/autofs4")
    os.setpgid(0, 0)
    reader, writer = os.pipe()
    sysns.mount("systemd-1", "/boot", "autofs", 0,
                f"fd={writer},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct")
    os.set_blocking(reader, False)
    since = time.monotonic()
    for words in (["bind"], []):
        expect_refused(m, m.run(*words, wrap=["setsid", "--wait"], timeout=10),
                       "/boot is an automount", "systemd-gpt-auto-generator", "/etc/fstab",
                       "systemctl mask")
    expect(time.monotonic() - since < 2 * SOON, "it waited")
    try:
        expect(os.read(reader, 4096) == b"", "the automount was triggered")
    except BlockingIOError:
        pass
    m.umount("/boot", lazy=True)


@scenario()
def scenario_bind_is_off(m):
    """Bind=no: a ROOT that is mounted is adopted; one that is not is an error, never bound."""
    install(m)
    m.config(CONFIG.replace("[ESP]\n", "[ESP]\nBind=no\n"))
    for words in (["bind"], []):
        expect_refused(m, m.run(*words), "Bind=no", "/boot is not mounted")
    m.bind(m.esp("a"), m.root)
    m.run("bind", check=0)
    d = m.start()
    m.wait_mirrored("b")
    expect(d.stop() == 0, "exit status")
    expect_bound(m, "a")


# -- any ROOT

def end_to_end(m):
    """Bind, first mirroring, a change."""
    install(m)
    d = m.start()
    expect_bound(m, "a")
    m.wait_mirrored("b")
    m.add_kernel("6.9.2", linux_mb=0.1, initrd_mb=0.1)
    m.wait_mirrored("b")
    expect(os.path.exists(f"{m.esp('b')}/loader/entries/{m.token}-6.9.2.conf"), "not there")
    d.wait_status(f"^{m.root} is {m.root}@a; {m.root}@b in sync")
    expect(d.stop() == 0, "exit status")


@scenario(root="/boot")
def scenario_root_boot(m):
    """ROOT is /boot."""
    end_to_end(m)


@scenario(root="/efi")
def scenario_root_efi(m):
    """ROOT is /efi."""
    end_to_end(m)


@scenario(root="/boot/efi")
def scenario_root_nested(m):
    """ROOT is /boot/efi, in a /boot that is a file system with files of its own."""
    m.reboot()
    for x in "ab":
        m.umount(x)
    m.tmpfs("/boot")
    write("/boot/vmlinuz", "x")
    os.mkdir("/boot/efi")
    for x in "ab":
        m.mount(x)
    end_to_end(m)


@scenario(root="/srv/boot")
def scenario_root_anywhere(m):
    """Any absolute path; a slash at its end does not matter."""
    m.config(CONFIG.replace("[ESP]\n", "[ESP]\nRoot=//srv//boot/\n"))
    end_to_end(m)


# -- who is who

def nothing_is_mirrored(m, d, words):
    """The daemon says why, once, and writes to no ESP until it is put right."""
    before = {x: tree(m.esp(x)) for x in "bc"}
    m.add_kernel("6.9.2", linux_mb=0.1, initrd_mb=0.1)
    d.wait_log(words)
    d.reload()
    d.wait_status("held back by the source")
    d.wait_idle()
    expect(d.count_log(words) == 1, "said more than once")
    for x in "bc":
        expect(tree(m.esp(x)) == before[x], f"{x} was written to")


@scenario(esps="abc")
def scenario_one_device_at_two_places(m):
    """One partition mounted at two ROOT@x: nothing is written, and both are named."""
    m.umount("c")
    m.mount("b", at=m.esp("c"))
    install(m)
    d = m.start()
    nothing_is_mirrored(m, d, "^error: /boot@b and /boot@c are one and the same partition")
    m.umount("c")
    m.mount("c")
    m.wait_mirrored("b", "c")


@scenario(esps="abc")
def scenario_source_at_two_places(m):
    """Likewise if it is the booted one: no member may be taken for a target of itself."""
    m.umount("c")
    m.mount("a", at=m.esp("c"))
    install(m)
    d = m.start()
    d.wait_log("^error: /boot@a and /boot@c are one and the same partition")
    d.wait_idle()
    expect(tree(m.esp("b")) == {}, "b was written to")


@scenario(esps="abc")
def scenario_one_partuuid_twice(m):
    """Two partitions with one PARTUUID (a cloned disk): nothing is written, both are named."""
    m.umount("c")
    m.add_esp("c", uuid=m.partuuid("b"))
    udev_record(m, "b")
    udev_record(m, "c")
    install(m)
    d = m.start()
    nothing_is_mirrored(m, d, "^error: /boot@b and /boot@c are two partitions with one PARTUUID")
    m.umount("c")
    m.wait_mirrored("b")


@scenario(esps="ab")
def scenario_clone_of_the_booted_one(m):
    """Likewise if one of them is the booted one: neither is written to."""
    m.umount("b")
    m.add_esp("b", uuid=m.partuuid("a"))
    udev_record(m, "a")
    udev_record(m, "b")
    install(m)
    m.add_kernel("6.8.0", where=m.esp("b"), linux_mb=0.1, initrd_mb=0.1)
    before = {x: tree(m.esp(x)) for x in "ab"}
    d = m.start()
    d.wait_log("^error: /boot@a and /boot@b are two partitions with one PARTUUID")
    d.wait_idle()
    for x in "ab":
        expect(tree(m.esp(x)) == before[x], f"{x} was written to")


# -- privileges, namespaces

@scenario()
def scenario_bind_joins_the_host(m):
    """`bind` binds where PID 1 lives, though it was started in a mount namespace of its own."""
    m.run("bind", wrap=["unshare", "-m", "--propagation", "private"], check=0)
    expect_bound(m, "a")
    m.umount(m.root)
    write("/tmp/other.conf", "[ESP]\nRoot=/nowhere\n")
    script = "mount --bind /tmp/other.conf /etc/bootsync/bootsync.conf && exec \"$0\" bind"
    m.run(wrap=["unshare", "-m", "--propagation", "private", "sh", "-c", script], check=0)
    expect_bound(m, "a")


NO_MOUNTS = ["setpriv", "--bounding-set=-sys_admin"]


@scenario()
def scenario_without_privileges(m):
    """A process that may not mount says so and ends with 77; once it is bound, it mirrors."""
    install(m)
    for words in (["bind"], []):
        result = m.run(*words, wrap=NO_MOUNTS)
        expect_refused(m, result, "/boot is not bound", "'bootsyncd bind' as root", status=77)
    m.run("bind", check=0)
    link = os.lstat("/run/bootsync/source")
    d = m.start(wrap=NO_MOUNTS)
    m.wait_mirrored("b")
    expect(d.count_log("is bound to") == 0, "said again what the bind step had said")
    expect(os.lstat("/run/bootsync/source").st_ino == link.st_ino, "the link was made anew")
    expect(d.stop() == 0, "exit status")


# -- a disk that is gone

@scenario()
def scenario_dead_disk_below_root(m):
    """A bind that stands on a disk that is gone is detached and made anew."""
    install(m)
    m.run("bind", check=0)
    dead, uuid = m.devno("a"), m.partuuid("a")
    m.umount("a", lazy=True)
    m.add_esp("a", uuid=uuid)
    install(m)
    expect(m.bound() == "?" and m.devno("a") != dead, "not another disk")
    d = m.start()
    expect(d.count_log("^warning: /boot stands on a disk that is gone") == 1, f"{d.log}")
    expect_bound(m, "a")
    m.wait_mirrored("b")
    expect(d.stop() == 0, "exit status")


@scenario()
def scenario_dead_disk_and_nothing_to_bind(m):
    """If the disk has not come back it is not bound, and the error names it.  With Bind=no the
    mount is the administrator's, and stays."""
    m.run("bind", check=0)
    m.pull_disk("a")
    m.config(QUICK.replace("500ms", "100ms").replace("[ESP]\n", "[ESP]\nBind=no\n"))
    m.run("bind")
    expect(m.bound() == "a", "detached in spite of Bind=no")
    m.config(QUICK.replace("500ms", "100ms"))
    result = m.run("bind")
    expect(result.status == 1 and "warning: /boot stands on a disk that is gone" in result.stderr
           and m.partuuid("a") in result.stderr, f"{result}")
    expect(m.bound() is None, "bound")
