# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is mirrored, what is held back and why: scope, versions, targets, guards, boot counters."""

import os
import re
import shutil
import socket
import stat

from machine import *
from scenes import *

ROOM = 40 << 20  # a small ESP: quickly filled


def steps(m, x="b"):
    """What `diff` would do to ESP x, as [(verb, path)]."""
    found = re.findall(rf"^{m.esp(x)}: (write|remove directory|remove|make directory) (\S+)",
                       m.run("diff").stdout, re.MULTILINE)
    return [(verb, re.sub("^efi/", "EFI/", path)) for verb, path in found]


def expect_order(found, *wanted):
    """These steps are there, in this order."""
    places = [next((i for i, step in enumerate(found) if step == want), None) for want in wanted]
    expect(None not in places and places == sorted(places), f"{wanted} in {found}")


def expect_refused(m, reason, *targets):
    """A round is held back for this reason, and writes nothing."""
    before = {x: tree(m.esp(x)) for x in targets or "b"}
    result = m.run("sync", check=1)
    expect(status_of(result, reason), f"{reason}: {result}")
    for x, was in before.items():
        expect_unchanged(was, m.esp(x), f"{reason}, and yet ESP {x} changed")
    return result


# -- kernels come, change and go

@scenario(esps="abc", root="/efi")
def scenario_kernel_added_refreshed_removed(m):
    """A kernel added, an initrd refreshed in place, a kernel removed: all targets follow."""
    d = begin(m, "6.9.1")
    small(m, "6.9.2")
    m.wait_mirrored()
    d.wait_idle()
    small(m, "6.9.2", seed=1)
    m.wait_mirrored()
    write_random(f"{payload(m, '6.9.1')}/initrd.img-6.9.1", 0.3, "other size")
    m.wait_mirrored()
    d.wait_idle()
    m.remove_kernel("6.9.1")
    m.wait_mirrored()
    d.wait_idle()
    for x in "bc":
        expect(names(m, x) == [f"{m.token}-6.9.2.conf"], f"{names(m, x)}")
        expect(names(m, x, m.token) == ["6.9.2"], f"{names(m, x, m.token)}")
        expect(f"{m.esp(x)} in sync" in d.status, d.status)
    expect(not leftovers(m.root, m.esp("b"), m.esp("c")), "leftovers")


@scenario()
def scenario_uki_only(m):
    """A system that has unified kernel images only, with side-cars."""
    m.skeleton("a")
    os.rmdir(f"{m.esp('a')}/loader/entries")
    m.add_uki("6.9.1", mb=0.2)
    side = f"{m.esp('a')}/EFI/Linux/{m.token}-6.9.1.efi.extra.d"
    write(f"{side}/a.addon.efi", "addon")
    write(f"{side}/deep/b.cred", "credential")
    write(f"{m.esp('a')}/EFI/Linux/other-6.9.1.efi.extra.d/c", "not ours")
    d = m.start()
    m.wait_mirrored(scope=everything(m))
    expect(names(m, "b", "EFI/Linux") == [f"{m.token}-6.9.1.efi", f"{m.token}-6.9.1.efi.extra.d"],
           f"{names(m, 'b', 'EFI/Linux')}")
    expect(m.token not in names(m, "b", "."), "a TOKEN directory came from nowhere")
    m.add_uki("6.9.1", mb=0.2, seed=1)
    m.add_uki("6.9.2", mb=0.2)
    m.wait_mirrored(scope=everything(m))
    d.wait_idle()
    m.remove_uki("6.9.1")
    shutil.rmtree(f"{m.root}/EFI/Linux/{m.token}-6.9.1.efi.extra.d")
    shutil.rmtree("/lib/modules/6.9.1")
    m.wait_mirrored(scope=everything(m))
    expect(names(m, "b", "EFI/Linux") == [f"{m.token}-6.9.2.efi"],
           f"{names(m, 'b', 'EFI/Linux')}")


@scenario()
def scenario_payload_without_entry(m):
    """A failed installation leaves payload without an entry: it is mirrored, it harms nobody."""
    d = begin(m, "6.9.1")
    small(m, "6.9.2", entry=False)
    m.wait_mirrored()
    d.wait_idle()
    expect(names(m, "b", m.token) == ["6.9.1", "6.9.2"], "payload")


# -- scope

def foreigners(m, x):
    """What others keep on an ESP, each with a content of its own."""
    top = m.esp(x)
    for path in (f"notes-{MACHINE_ID}.txt", f"{MACHINE_ID}.bak/6.9.1/linux", f"x{MACHINE_ID}/y",
                 "EFI/Microsoft/Boot/bootmgfw.efi", "EFI/BOOT/BOOTX64.EFI",
                 "EFI/systemd/systemd-bootx64.efi", "loader/random-seed", "loader/entries.srel",
                 "loader/loader.conf", "loader/keys/auto/db.auth", "loader/addons/a.addon.efi",
                 "loader/credentials/c.cred", "System Volume Information/IndexerVolumeGuid",
                 "FSCK0000.REC", "loader/entries/arch-6.9.1.conf", "loader/entries/foreign.conf",
                 f"loader/entries/{MACHINE_ID}.conf", f"loader/entries/{MACHINE_ID}-6.9.9.conf.bak",
                 "loader/entries/fedora-asahi-6.9.1.conf", "EFI/Linux/fedora-asahi-6.9.1.efi",
                 "EFI/Linux/arch.efi", "EFI/fedora/shimx64.efi", "fedora-asahi/6.9.1/linux",
                 f"EFI/Linux/{MACHINE_ID}-notes.txt"):
        write(f"{top}/{path}", f"of {x}: {path}")
    os.makedirs(f"{top}/EFI/Empty/{x}/deep")
    os.makedirs(f"{top}/{x}-empty")
    if m.fs == "ext4":
        os.symlink("/etc/passwd", f"{top}/link-{x}")


@scenario(esps="abc")
def scenario_scope(m):
    """What belongs to the machine id and the entry token is mirrored; nothing else is touched."""
    write("/etc/kernel/entry-token", "fedora\n")
    install(m, "6.9.1")
    small(m, "6.9.2", token="fedora")
    m.add_uki("6.9.2", token="fedora", mb=0.1)
    m.add_uki("6.9.1", mb=0.1)
    write(f"{m.esp('a')}/EFI/Linux/fedora-6.9.2.efi.extra.d/x", "x")
    write(f"{m.esp('a')}/{m.token}/notes", "stray, but ours")
    os.makedirs(f"{m.esp('a')}/{m.token}/6.9.1/empty/deep")
    small(m, "6.9.3")
    for x in "bc":
        foreigners(m, x)
    before = {x: tree(m.esp(x)) for x in "bc"}
    ours = [f"{m.token}/", "fedora/", f"loader/entries/{m.token}-6.9.3.conf",
            "loader/entries/fedora-6.9.2.conf", f"loader/entries/{m.token}-6.9.1.conf"]
    ours += [f"{efi}/Linux/{name}.efi" for efi in ("EFI", "efi")
             for name in (f"{m.token}-6.9.1", "fedora-6.9.2")]
    source = tree(m.esp("a"))
    foreigners(m, "a")
    a_before = tree(m.esp("a"))
    d = m.start()
    for x in "bc":
        wait_until(lambda here=x: not differences(source, m.esp(here), ours), 10, "mirrored")
    d.wait_idle()
    for x in "bc":
        expect_others_untouched(before[x], m.esp(x), ours)
    expect_unchanged(a_before, m.root, "the source was written to")
    m.remove_kernel("6.9.1")
    m.remove_kernel("6.9.2", token="fedora")
    shutil.rmtree(f"{m.root}/EFI/Linux/fedora-6.9.2.efi.extra.d")
    d.wait_idle()
    for x in "bc":
        expect_others_untouched(before[x], m.esp(x), ours)
        expect(names(m, x, "fedora") == [] and names(m, x, m.token) == ["6.9.3", "notes"],
               f"{names(m, x, m.token)}")


@scenario()
def scenario_configured_token(m):
    """EntryToken= names other tokens; the machine id is always one of them."""
    install(m, "6.9.1")
    small(m, "6.9.1", token="debian")
    small(m, "6.9.1", token="suse")
    m.dropin("[Mirror]\nEntryToken=debian\n")
    d = m.start()
    m.wait_mirrored(scope=m.scope() + m.scope("debian"))
    d.wait_idle()
    expect("suse" not in names(m, "b", "."), "suse is not ours")
    m.dropin("[Mirror]\nEntryToken=suse debian\n")
    d.reload()
    m.wait_mirrored(scope=m.scope() + m.scope("debian") + m.scope("suse"))
    d.wait_idle()
    small(m, "6.9.2", token="suse")
    m.wait_mirrored(scope=m.scope("suse"))


@scenario()
def scenario_extra_paths(m):
    """ExtraPaths= are mirrored whole, and only they."""
    install(m, "6.9.1")
    m.dropin("[Mirror]\nExtraPaths=EFI/systemd loader/loader.conf EFI/BOOT\n")
    write(f"{m.esp('a')}/loader/loader.conf", "timeout 3\n")
    m.start()
    extra = ["EFI/systemd/", "EFI/BOOT/", "loader/loader.conf"]
    m.wait_mirrored(scope=m.scope() + extra)
    write(f"{m.root}/loader/loader.conf", "timeout 5\n")
    write(f"{m.root}/EFI/systemd/new/file.efi", "new")
    m.wait_mirrored(scope=m.scope() + extra)
    os.unlink(f"{m.root}/EFI/systemd/new/file.efi")
    m.wait_mirrored(scope=m.scope() + extra)
    expect("Microsoft" not in names(m, "b", "EFI"), "not asked for")


# -- versions

@scenario()
def scenario_rescue_is_no_version(m):
    """0-rescue is mirrored and never compared: it has no modules, and that is no witness."""
    bound(m, "6.9.1")
    small(m, "0-rescue")
    modules("6.9.1")
    m.run("sync", check=0)
    m.assert_mirrored()
    m.remove_kernel("0-rescue")  # while nobody looks
    result = m.run("sync", check=0)
    expect(status_of(result, "extra"), f"{result}")
    expect("0-rescue" in names(m, "b", m.token), "it was removed, though nobody saw it go")
    modules("0-rescue")
    expect_refused(m, "no-modules")


@scenario()
def scenario_stray_names(m):
    """Names in /lib/modules and in TOKEN/ that begin with no digit are no versions."""
    install(m, "6.9.1")
    for name in ("zfs", "extra", "vmlinuz-99", "~7.0"):
        os.makedirs(f"/lib/modules/{name}")
    write("/lib/modules/99.9.9", "a file, no directory")
    write(f"{m.esp('b')}/{m.token}/zzz-99/linux", "stray on the target")
    write(f"{m.esp('b')}/{m.token}/99.txt", "a stray file")
    os.makedirs(f"{m.esp('b')}/{m.token}/99.9.9/empty")
    write(f"{m.esp('b')}/{m.token}/98.1.1/linux", "")
    m.start()
    m.wait_mirrored(scope=[f"{m.token}/6", "loader/entries/"])
    expect({"zzz-99", "99.txt", "99.9.9"} & set(names(m, "b", m.token)), "extras stay")


@scenario()
def scenario_version_order(m):
    """A newer kernel of unknown origin on a target, by the order of versions (guard 9)."""
    bound(m, "6.9.1")
    m.remove_kernel("6.9.1")
    for newest, other, refused in (("6.9.1", "6.10.1", True), ("6.10.1", "6.9.1", False),
                                   ("6.10.0~rc3", "6.10.0", True), ("6.10.0", "6.10.0~rc3", False),
                                   ("6.10.0", "6.10.0-rc3", True), ("6.9.10-1", "6.9.9-9", False),
                                   ("6.9.9-9", "6.9.10-1", True), ("6.9.1", "6.9.1.fc40", True),
                                   ("6.9.1a", "6.9.1b", True), ("6.9.1", "6.9.1", False)):
        shutil.rmtree("/var/lib/bootsync", ignore_errors=True)
        empty(m.esp("b"))
        small(m, newest)
        small(m, other, where=m.esp("b"))
        modules(newest)
        if refused:
            result = expect_refused(m, "target-newer")
            expect(f"kernel {other}, which is newer than {newest}" in result.stderr, f"{result}")
        else:
            m.run("sync", check=0)
            m.assert_mirrored()
        m.remove_kernel(newest)


@scenario()
def scenario_newer_as_entry_or_uki(m):
    """An entry or a UKI counts as a kernel on a target, an empty directory or file does not."""
    bound(m, "6.9.1")
    for path, refused in ((f"EFI/Linux/{m.token}-6.9.2.efi", True),
                          (f"loader/entries/{m.token}-6.9.2+3.conf", True),
                          (f"{m.token}/6.9.2/deep/initrd", True),
                          ("EFI/Linux/other-6.9.2.efi", False)):
        empty(m.esp("b"))
        shutil.rmtree("/var/lib/bootsync", ignore_errors=True)
        write(f"{m.esp('b')}/{path}", "kernel")
        if refused:
            expect_refused(m, "target-newer")
        else:
            m.run("sync", check=0)


# -- targets are independent

@scenario(esps="abcdef", mounted="abdef", size=ROOM)
def scenario_targets_independent(m):
    """A missing, read-only, full, refused or foreign one is reported once; the others are done;
    each is brought up to date as soon as it can be."""
    install(m, "6.9.1")
    m.remount_ro("d")
    m.fill("e", leave=100 << 10)
    small(m, "6.99.1", where=m.esp("f"))
    modules("6.9.1")
    m.tmpfs(m.esp("g"))
    before = {x: tree(m.esp(x)) for x in "cdefg"}
    d = m.start()
    m.wait_mirrored("b")
    d.wait_idle()
    small(m, "6.9.1", seed=1)
    m.wait_mirrored("b")
    d.reload()
    d.wait_idle()
    for x, reason in (("c", "target-missing"), ("d", "target-read-only"), ("e", "target-full"),
                      ("f", "target-newer"), ("g", "target-wrong-fs")):
        expect_once(d, reason, f"{m.esp(x)} ")
        expect_unchanged(before[x], m.esp(x), reason)
    expect(f"{m.esp('b')} in sync" in d.status and f"{m.esp('c')} not mounted" in d.status
           and f"{m.esp('f')} held back" in d.status, d.status)
    m.mount("c")
    m.wait_mirrored("c")
    expect_once(d, "target-back")
    m.remount_rw("d")
    m.wait_mirrored("d")
    m.umount("g")
    wait_told(d, "target-missing", m.esp("g"))
    d.wait_idle()
    expect(tree(m.esp("g")) == {}, "written into the directory of an unmounted target")
    expect_once(d, "target-read-only")


@scenario(esps="abcd", size=ROOM, timeout=90)
def scenario_retried(m):
    """A full target is tried again by itself, a refused one too; each is caught up once cured."""
    install(m, "6.9.1")
    ballast = m.fill("b", leave=100 << 10)
    small(m, "6.99.1", where=m.esp("c"))
    modules("6.9.1")
    d = m.start()
    m.wait_mirrored("d")
    wait_told(d, "target-full")
    wait_told(d, "target-newer")
    d.wait_idle()
    os.unlink(ballast)
    empty(m.esp("c"))
    m.wait_mirrored(timeout=20)
    expect_once(d, "target-full")
    expect_once(d, "target-newer")


@scenario(esps="ab", size=ROOM)
def scenario_full_while_it_runs(m):
    """A target that fills up keeps what it has, whole; a change on the source that makes it fit is
    enough to be done."""
    d = begin(m, "6.9.1", "6.9.2")
    m.fill("b", leave=600 << 10)
    before = tree(m.esp("b"))
    small(m, "6.9.3", initrd_mb=2)
    wait_told(d, "target-full")
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "a full target")
    expect(re.search(r"too full: \d{6,7} more bytes", "\n".join(d.log)), f"{d.log}")
    small(m, "6.9.3", initrd_mb=0.2)
    m.wait_mirrored()


@scenario(esps="ab", size=ROOM)
def scenario_retire_first(m):
    """When old and new don't fit together, the old one goes first if another complete entry
    stays; if none does, the target is left as it was."""
    synced(m, "6.9.1", "6.9.2", initrd_mb=2)
    m.fill("b", leave=1 << 20)
    m.remove_kernel("6.9.1")
    small(m, "6.9.3", initrd_mb=2)
    m.run("sync", check=0)
    m.assert_mirrored()
    m.remove_kernel("6.9.2")
    m.remove_kernel("6.9.3")
    small(m, "6.9.4", initrd_mb=4)
    expect_refused(m, "target-full")


@scenario(esps="ab", size=ROOM)
def scenario_refresh_does_not_fit(m):
    """A refreshed initrd that fits only instead of the old one never costs the old one."""
    synced(m, "6.9.1", initrd_mb=2)
    m.fill("b", leave=1 << 20)
    write_random(f"{payload(m, '6.9.1')}/initrd.img-6.9.1", 2, "new")
    expect_refused(m, "target-full")


# -- guards of the source

@scenario()
def scenario_guard_1_root_not_mounted(m):
    """ROOT is no mount point: nothing is written."""
    install(m, "6.9.1")
    expect_refused(m, "root-not-mounted")


@scenario(esps="abc")
def scenario_guard_2_one_member(m):
    """ROOT is of no member, one partition is at two members, two partitions have one PARTUUID."""
    install(m, "6.9.1")
    m.tmpfs(m.root)
    write(f"{m.root}/loader/x", "x")
    expect_refused(m, "root-no-member", "a", "b", "c")
    m.umount(m.root)
    m.run("bind", check=0)
    m.umount("c")
    m.mount("b", at=m.esp("c"))
    expect_refused(m, "members-share-device")
    m.umount("c")
    m.add_esp("c", uuid=m.partuuid("b"))
    udev_record(m, "b")
    udev_record(m, "c")
    expect_refused(m, "members-share-uuid", "b", "c")


@scenario(esps="abc", mounted="ab")
def scenario_guard_2_while_it_runs(m):
    """A member that doubles another stops all writing as long as it is there."""
    d = begin(m, "6.9.1")
    m.mount("b", at=m.esp("c"))
    wait_told(d, "members-share-device")
    before = tree(m.esp("b"))
    small(m, "6.9.2")
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "guard 2")
    expect_once(d, "members-share-device")
    m.umount("c")
    m.wait_mirrored("b")


@scenario()
def scenario_guard_3_no_loader(m):
    """ROOT/loader is no directory: what is there is no ESP of systemd-boot."""
    d = begin(m, "6.9.1")
    os.rename(f"{m.root}/loader", f"{m.root}/odd")
    wait_told(d, "no-loader")
    before = tree(m.esp("b"))
    small(m, "6.9.2", entry=False)
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "guard 3")
    expect_once(d, "no-loader")
    os.rename(f"{m.root}/odd", f"{m.root}/loader")
    m.wait_mirrored()


@scenario()
def scenario_guard_4_machine_id(m):
    """No valid machine id, or an entry token that is none: nothing is written; cured, all is."""
    install(m, "6.9.1")
    write("/etc/machine-id", "uninitialized\n")
    d = m.start()
    wait_told(d, "no-machine-id")
    d.wait_idle()
    expect(tree(m.esp("b")) == {}, "written without a machine id")
    write("/etc/machine-id", MACHINE_ID + "\n")
    d.reload()
    m.wait_mirrored()
    expect_once(d, "no-machine-id")
    d.stop()
    for token in ("../../etc", "EFI", "a/b", ""):
        write("/etc/kernel/entry-token", token + "\n")
        result = m.run("sync", check=1)
        expect("entry-token" in result.stderr, f"{token}: {result}")


@scenario()
def scenario_guards_5_and_6_newest_kernel(m):
    """No kernel in /lib/modules, or the newest one is not on ROOT: it is being installed."""
    bound(m, "6.9.1")
    modules()
    expect_refused(m, "no-modules")
    os.rename("/lib/modules", "/lib/modules.away")
    expect_refused(m, "no-modules")
    os.rename("/lib/modules.away", "/lib/modules")
    modules("6.9.1", "6.9.10")
    expect_refused(m, "newest-missing")
    d = m.start()
    wait_told(d, "newest-missing")
    write(f"{payload(m, '6.9.1')}/note", "a change that waits with the others")
    d.wait_idle()
    expect(tree(m.esp("b")) == {}, "guard 6")
    expect_once(d, "newest-missing")
    small(m, "6.9.10")
    m.wait_mirrored()


@scenario()
def scenario_guard_6_by_retry(m):
    """Modules that go while nothing changes on the ESP: guard 6 is asked again by itself."""
    install(m, "6.9.1")
    modules("6.9.1", "6.9.2")
    d = m.start()
    wait_told(d, "newest-missing")
    modules("6.9.1")
    m.wait_mirrored(timeout=20)


@scenario()
def scenario_guard_7_unreadable_directory(m):
    """One directory that can't be read freezes all removals of the round; the rest is done."""
    synced(m, "6.9.1", "6.9.2")
    m.remove_kernel("6.9.1")
    small(m, "6.9.3")
    before = tree(m.esp("b"))
    result = m.run("sync", check=1, wrap=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-P", f"{m.root}/{m.token}/6.9.2",
        "-e", "trace=getdents64", "-e", "inject=getdents64:error=EIO"])
    expect(status_of(result, "source-unreadable"), f"{result}")
    expect(f"{m.token}/6.9.2 cannot be read" in result.stderr, f"{result}")
    lost = set(before) - set(tree(m.esp("b")))
    expect(not lost, f"removed: {lost}")
    expect("6.9.3" in names(m, "b", m.token), "additions are not held back")
    m.run("sync", check=0)
    m.assert_mirrored()


@scenario()
def scenario_guard_7_unreadable_entry(m):
    """An entry that can't be read is not taken for gone or empty."""
    synced(m, "6.9.1", "6.9.2")
    before = tree(m.esp("b"))
    result = m.run("sync", check=1, wrap=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-P", entry(m, "6.9.1"),
        "-e", "trace=read", "-e", "inject=read:error=EIO"])
    expect(status_of(result, "source-unreadable"), f"{result}")
    expect_unchanged(before, m.esp("b"), "an unreadable entry")


@scenario()
def scenario_guard_7_doubt_ends(m):
    """After an error the next round looks at everything, which clears the doubt: the removals that
    were frozen are done then."""
    synced(m, "6.9.1", "6.9.2", "6.9.3")
    directory = f"{m.root}/{m.token}/6.9.2"
    d = m.start(wrap=[  # two calls for the watches, the third one is the scan's
        "strace", "-f", "-qq", "-o", "/dev/null", "-P", directory, "-e", "trace=getdents64",
        "-e", "inject=getdents64:error=EIO:when=3"])
    wait_told(d, "source-unreadable", f"{m.token}/6.9.2")
    d.wait_idle()
    expect("6.9.2" in names(m, "b", m.token), "unreadable is not absent")
    m.remove_kernel("6.9.1", modules=False)
    m.wait_mirrored()
    expect_once(d, "source-unreadable")


@scenario()
def scenario_guard_7_source_fails_a_flush(m):
    """A disk that is gone may still list names: before anything is removed it must answer a flush.
    """
    synced(m, "6.9.1", "6.9.2")
    m.remove_kernel("6.9.1")
    before = tree(m.esp("b"))
    result = m.run("sync", check=1, wrap=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-P", m.root, "-e", "trace=fsync",
        "-e", "inject=fsync:error=EIO"])
    expect(status_of(result, "source-lost"), f"{result}")
    expect_unchanged(before, m.esp("b"), "removed on the word of a disk that does not answer")
    m.run("sync", check=0)
    m.assert_mirrored()


# -- guards of removals

@scenario()
def scenario_guard_11_last_entry(m):
    """No removal that would leave a target without a complete entry."""
    synced(m, "6.9.1")
    text = open(entry(m, "6.9.1", "b"), encoding="ascii").read()
    write(f"{m.esp('b')}/{m.token}/6.9.2", "a file where a directory must be")
    write(entry(m, "6.9.1", "b"), text + f"initrd /{m.token}/6.9.2\n")
    shutil.rmtree("/var/lib/bootsync")
    m.remove_kernel("6.9.1")
    small(m, "6.9.2")
    result = expect_refused(m, "last-entry")
    expect(status_of(result, "in-the-way"), f"{result}")


@scenario()
def scenario_guard_11_running_kernel(m):
    """The running kernel stays on a target, though it is gone from the source."""
    running = os.uname().release
    d = begin(m, running, "99.9.9")
    before = tree(m.esp("b"))
    m.remove_kernel(running)
    wait_told(d, "running-kernel")
    d.wait_idle()
    d.reload()
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "the running kernel")
    expect(all(told(d, "running-kernel", re.escape(name)) == 1 for name in
               (f"{m.token}/{running} ", f"entries/{m.token}-{running}.conf ")), f"{d.log}")


@scenario()
def scenario_guard_12_extras(m):
    """What is on a target and not on the source, and nobody saw it go, stays: reported once."""
    synced(m, "6.9.1", "6.9.2")
    write(f"{m.esp('b')}/{m.token}/6.9.1/extra.bin", "extra")
    write(f"{m.esp('b')}/{m.token}/stray/deep/file", "extra")
    os.unlink(f"{payload(m, '6.9.2')}/initrd.img-6.9.2")  # seen by nobody, its modules are there
    write(entry(m, "6.9.2"), f"title x\nlinux /{m.token}/6.9.2/linux\n")
    d = m.start()
    m.wait_mirrored(scope=["loader/entries/"])
    d.wait_idle()
    d.reload()
    d.wait_idle()
    here = tree(m.esp("b"))
    for path in ("6.9.1/extra.bin", "stray", "6.9.2/initrd.img-6.9.2"):
        expect(f"{m.token}/{path}" in here, f"{path} was removed")
        expect_once(d, "extra", rf"{m.token}/{path} ")
    expect(f"{m.token}/stray/deep/file" in here, "below")
    expect("in sync" in d.status, d.status)


@scenario()
def scenario_guard_12_witness(m):
    """What the daemon sees removed on the source goes from the target; its modules may stay."""
    d = begin(m, "6.9.1", "6.9.2")
    write(f"{payload(m, '6.9.1')}/notes/deep/file", "x")
    m.wait_mirrored()
    d.wait_idle()
    shutil.rmtree(f"{payload(m, '6.9.1')}/notes")
    m.wait_mirrored()
    m.remove_kernel("6.9.1", modules=False)
    m.wait_mirrored()
    os.rename(payload(m, "6.9.2"), f"{m.root}/moved-away")
    os.rename(f"{m.root}/moved-away", payload(m, "6.9.2"))
    d.wait_idle()
    m.wait_mirrored()
    expect(told(d, "extra") == 0, f"{d.log}")


@scenario()
def scenario_guard_12_source_not_bootable(m):
    """Nothing is removed while the source itself could not boot its newest kernel."""
    d = begin(m, "6.9.1")
    before = tree(m.esp("b"))
    small(m, "6.9.2", entry=False)
    m.remove_kernel("6.9.1")
    wait_told(d, "source-not-bootable")
    d.wait_idle()
    gone = set(before) - set(tree(m.esp("b")))
    expect(not gone, f"removed: {gone}")
    expect_once(d, "source-not-bootable")
    m.write_entry(f"{m.token}-6.9.2.conf", version="6.9.2")
    m.wait_mirrored()


# -- boot counters

@scenario()
def scenario_counter_of_a_new_entry(m):
    """A new entry comes with the tries that it was born with; a half-tried one starts afresh."""
    install(m, "6.9.1")
    small(m, "6.9.2", counter=3)
    small(m, "6.9.3", counter="2-1")
    m.add_uki("6.9.4", counter="1-4", mb=0.1)
    d = m.start()
    d.wait_idle()
    expect(names(m, "b") == [f"{m.token}-6.9.{n}.conf" for n in ("1", "2+3", "3+3")],
           f"{names(m, 'b')}")
    expect(names(m, "b", "EFI/Linux") == [f"{m.token}-6.9.4+5.efi"],
           f"{names(m, 'b', 'EFI/Linux')}")
    m.assert_mirrored(scope=[f"{m.token}/"])


@scenario()
def scenario_counter_decrement_is_local(m):
    """A decrement on either ESP stays there: not mirrored, not repaired, nothing is written."""
    bound(m, "6.9.1")
    small(m, "6.9.2", counter=3)
    m.run("sync", check=0)
    os.rename(entry(m, "6.9.2", "b", "+3"), entry(m, "6.9.2", "b", "+0-3"))
    before = tree(m.esp("b"))
    d = m.start()
    d.wait_idle()
    os.rename(entry(m, "6.9.2", counter="+3"), entry(m, "6.9.2", counter="+2-1"))
    d.wait_idle()
    d.reload()
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "a decrement")
    expect(told(d, "drift") == 0, f"{d.log}")


@scenario()
def scenario_counter_blessing(m):
    """A blessing is mirrored: the plain name is put, then the counted one removed."""
    bound(m, "6.9.1")
    small(m, "6.9.2", counter=3)
    m.add_uki("6.9.2", counter=3, mb=0.1)
    m.run("sync", check=0)
    os.rename(entry(m, "6.9.2", counter="+3"), entry(m, "6.9.2"))
    uki = f"EFI/Linux/{m.token}-6.9.2"
    os.rename(f"{m.root}/{uki}+3.efi", f"{m.root}/{uki}.efi")
    plain = f"loader/entries/{m.token}-6.9.2"
    found = steps(m)
    expect_order(found, ("write", f"{plain}.conf"), ("remove", f"{plain}+3.conf"))
    expect_order(found, ("write", f"{uki}.efi"), ("remove", f"{uki}+3.efi"))
    expect(len(found) == 4, f"{found}")
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    m.assert_mirrored(scope=["loader/entries/", "EFI/Linux/", "efi/Linux/"])


@scenario(size=ROOM)
def scenario_counter_blessing_does_not_fit(m):
    """A blessed UKI needs room for a second copy: without it the old name stays, for it boots as
    well, and the rest is done."""
    bound(m, "6.9.1")
    m.add_uki("6.9.2", counter=3, mb=2)
    m.run("sync", check=0)
    m.fill("b", leave=1 << 20)
    uki = f"{m.root}/EFI/Linux/{m.token}-6.9.2"
    os.rename(f"{uki}+3.efi", f"{uki}.efi")
    write(f"{payload(m, '6.9.1')}/small", "small")
    result = m.run("sync", check=1)
    expect(status_of(result, "target-full"), f"{result}")
    expect(names(m, "b", "EFI/Linux") == [f"{m.token}-6.9.2+3.efi"], names(m, "b", "EFI/Linux"))
    m.assert_mirrored(scope=[f"{m.token}/"])


@scenario()
def scenario_counter_live(m):
    """From +3 through the decrement to the blessing with the daemon watching."""
    install(m, "6.9.1")
    small(m, "6.9.2", counter=3)
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    os.rename(entry(m, "6.9.2", counter="+3"), entry(m, "6.9.2", counter="+2-1"))
    d.wait_idle()
    expect(f"{m.token}-6.9.2+3.conf" in names(m, "b"), f"{names(m, 'b')}")
    os.rename(entry(m, "6.9.2", counter="+2-1"), entry(m, "6.9.2"))
    m.wait_mirrored()
    expect(names(m, "b") == [f"{m.token}-6.9.1.conf", f"{m.token}-6.9.2.conf"],
           f"{names(m, 'b')}")


def entry_on(m, x, counter):
    """Path of a form of the entry of 6.9.1; its directory is there."""
    os.makedirs(f"{m.esp(x)}/loader/entries", exist_ok=True)
    return entry(m, "6.9.1", x, counter)


@scenario()
def scenario_counter_two_forms(m):
    """Two forms of one entry on a target are repaired to one: the source's if that is blessed,
    else the target's blessed one, else a fresh one."""
    for forms, here, wanted in ((("", "+2-1"), "", ""), (("", "+2-1"), "+3", ""),
                                (("+3", "+2-1"), "+2-1", "+3"), (("+3", "+2-1"), "", ""),
                                (("+2-1", "+1-2"), "+3", "+3")):
        shutil.rmtree("/var/lib/bootsync", ignore_errors=True)
        if m.root not in m.mounts():
            bound(m, "6.9.1")
        empty(f"{m.esp('a')}/loader/entries")
        empty(m.esp("b"))
        small(m, "6.9.1")
        os.rename(entry(m, "6.9.1"), entry(m, "6.9.1", counter=here))
        small(m, "6.9.1", where=m.esp("b"), entry=False)
        for form in forms:
            shutil.copy(entry(m, "6.9.1", counter=here), entry_on(m, "b", form))
        m.run("sync", check=0)
        expect(names(m, "b") == [f"{m.token}-6.9.1{wanted}.conf"],
               f"{forms} {here}: {names(m, 'b')}")


@scenario()
def scenario_counter_blessed_on_the_target(m):
    """An entry that is good on the target is not put back on trial by the source's counter."""
    bound(m, "6.9.1")
    small(m, "6.9.2", counter="2-1")
    small(m, "6.9.1", where=m.esp("b"))
    small(m, "6.9.2", where=m.esp("b"))
    before = tree(m.esp("b"))
    m.run("sync", check=0)
    expect_unchanged(before, m.esp("b"), "blessed on the target")


@scenario()
def scenario_counter_changed_content(m):
    """An entry whose content changes is on trial again where the source has it on trial."""
    bound(m, "6.9.1")
    small(m, "6.9.2", counter=3)
    m.run("sync", check=0)
    os.rename(entry(m, "6.9.2", "b", "+3"), entry(m, "6.9.2", "b", "+0-3"))
    path = entry(m, "6.9.2", counter="+3")
    text = open(path, encoding="ascii").read()
    write(path, text.replace("quiet", "verbose"))
    m.run("sync", check=0)
    m.assert_mirrored()
    expect(names(m, "b")[1] == f"{m.token}-6.9.2+3.conf" and len(names(m, "b")) == 2,
           f"{names(m, 'b')}")


# -- entries

@scenario()
def scenario_entries_incomplete(m):
    """An entry that is empty, or names what is missing, empty or outside of the scope, is not
    published; the target keeps its good one; each is reported once, and published when cured."""
    d = begin(m, "6.9.1", "6.9.2", "6.9.3", "6.9.4")
    before = {name: value for name, value in tree(m.esp("b")).items() if "entries" in name}
    write(entry(m, "6.9.1"), "")
    write(entry(m, "6.9.2"), f"linux /{m.token}/6.9.2/linux\ninitrd /{m.token}/6.9.2/missing\n")
    write(entry(m, "6.9.3"), f"linux /vmlinuz-linux\ninitrd /{m.token}/6.9.3/linux\n")
    write(f"{m.root}/vmlinuz-linux", "outside")
    write(entry(m, "6.9.4"), f"title nothing to start\ninitrd /{m.token}/6.9.4/linux\n")
    write(entry(m, "6.9.5"), f"linux /{m.token}/6.9.4/empty\n")
    write(f"{payload(m, '6.9.4')}/empty", "")
    for reason, of in (("entry-no-kernel", "6.9.1"), ("entry-incomplete", "6.9.2.conf"),
                       ("entry-outside", "vmlinuz-linux"), ("entry-no-kernel", "6.9.4"),
                       ("entry-incomplete", "6.9.5.conf")):
        wait_told(d, reason, of)
    d.wait_idle()
    d.reload()
    d.wait_idle()
    for reason, of in (("entry-no-kernel", "6.9.1"), ("entry-incomplete", "6.9.2.conf"),
                       ("entry-outside", "vmlinuz-linux"), ("entry-no-kernel", "6.9.4"),
                       ("entry-incomplete", "6.9.5.conf")):
        expect_once(d, reason, of)
    after = {name: value for name, value in tree(m.esp("b")).items() if "entries" in name}
    expect(before == after, f"{differences(before, after)}")
    write(f"{payload(m, '6.9.2')}/missing", "there it is")
    write(f"{payload(m, '6.9.4')}/empty", "not empty")
    m.dropin("[Mirror]\nExtraPaths=vmlinuz-linux\n")
    d.reload()
    m.write_entry(f"{m.token}-6.9.1.conf", version="6.9.1")
    m.write_entry(f"{m.token}-6.9.4.conf", version="6.9.4")
    m.wait_mirrored(scope=m.scope() + ["vmlinuz-linux"])


@scenario()
def scenario_empty_initrd(m):
    """An empty initrd never replaces a good one."""
    d = begin(m, "6.9.1")
    before = tree(m.esp("b"))
    write(f"{payload(m, '6.9.1')}/initrd.img-6.9.1", "")
    wait_told(d, "entry-incomplete")
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "an empty initrd")
    write_random(f"{payload(m, '6.9.1')}/initrd.img-6.9.1", 0.3, "refreshed")
    m.wait_mirrored()


@scenario()
def scenario_entry_left_behind(m):
    """A kernel gone with its entry left behind: the entry is retired on the target first."""
    synced(m, "6.9.1", "6.9.2")
    shutil.rmtree(payload(m, "6.9.1"))
    modules("6.9.2")
    left = f"loader/entries/{m.token}-6.9.1.conf"
    expect_order(steps(m), ("remove", left), ("remove", f"{m.token}/6.9.1/linux"),
                 ("remove directory", f"{m.token}/6.9.1"))
    d = m.start()
    wait_told(d, "entry-incomplete", "6.9.1.conf")
    d.wait_idle()
    expect(names(m, "b") == [f"{m.token}-6.9.2.conf"], f"{names(m, 'b')}")
    m.assert_mirrored(scope=[f"{m.token}/"])


@scenario()
def scenario_commit_order(m):
    """Payload before its entry, and an entry away before its payload."""
    synced(m, "6.9.1", "6.9.2")
    m.remove_kernel("6.9.1")
    small(m, "6.9.3")
    expect_order(steps(m), ("make directory", f"{m.token}/6.9.3"),
                 ("write", f"{m.token}/6.9.3/linux"),
                 ("write", f"loader/entries/{m.token}-6.9.3.conf"),
                 ("remove", f"loader/entries/{m.token}-6.9.1.conf"),
                 ("remove", f"{m.token}/6.9.1/linux"),
                 ("remove directory", f"{m.token}/6.9.1"))


# -- odd things

@scenario()
def scenario_in_the_way(m):
    """A file where a directory must be, and the reverse, are replaced."""
    install(m, "6.9.1", "6.9.2")
    small(m, "6.9.0", where=m.esp("b"))
    write(f"{m.esp('b')}/{m.token}/6.9.1", "a file")
    write(f"{m.esp('b')}/{m.token}/6.9.2/linux/deep/file", "in a directory")
    modules("6.9.0", "6.9.1", "6.9.2")
    d = m.start()
    m.wait_mirrored(scope=[f"{m.token}/6.9.1", f"{m.token}/6.9.2", "loader/entries/" + m.token
                           + "-6.9.1", f"loader/entries/{m.token}-6.9.2"])
    d.wait_idle()
    expect("6.9.0" in names(m, "b", m.token), "an extra went with what was in the way")


@scenario(fs_only="vfat")
def scenario_names_that_fat_cannot_hold(m):
    """Names on an ext4 source that FAT can't hold are skipped and reported once."""
    m.umount("a")
    m.add_esp("a", fs="ext4", uuid="aaaaaaaa-0000-4000-8000-00000000000a")
    m.set_loader_uuid("a")
    install(m, "6.9.1", "6.9.2")
    for name in ("a:b", "what?", "star*", "trailing.", "quote\"d", "pipe|d", "back\\slash"):
        write(f"{payload(m, '6.9.1')}/{name}", name)
    write(f"{payload(m, '6.9.1')}/dir:x/file", "below")
    write(entry(m, "6.9.3"), f"linux /{m.token}/6.9.1/a:b\n")
    d = m.start()
    wait_told(d, "bad-name", "pipe")
    m.wait_mirrored(scope=[f"{m.token}/6.9.2", f"loader/entries/{m.token}-6.9.1"])
    d.wait_idle()
    d.reload()
    d.wait_idle()
    for name in ("a:b", "what", "star", "trailing\\.", "quote", "pipe", "slash", "dir:x"):
        expect_once(d, "bad-name", f"6.9.1/\\S*{name}")
    expect(names(m, "b", f"{m.token}/6.9.1") == ["initrd.img-6.9.1", "linux"],
           f"{names(m, 'b', f'{m.token}/6.9.1')}")
    expect(f"{m.token}-6.9.3.conf" not in names(m, "b"), "an entry without its kernel")


@scenario(fs_only="ext4")
def scenario_special_files(m):
    """Links, fifos, sockets and devices are skipped and reported once; the rest is done."""
    install(m, "6.9.1", "6.9.2")
    top = payload(m, "6.9.1")
    os.symlink("/etc/passwd", f"{top}/link")
    os.symlink(f"/{m.token}", f"{top}/dirlink")
    os.mkfifo(f"{top}/fifo")
    os.mknod(f"{top}/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{top}/socket")
    os.symlink("/etc/passwd", entry(m, "6.9.9"))
    special = ("link", "dirlink", "fifo", "device", "socket")
    d = m.start()
    wait_told(d, "special", "dirlink")
    d.wait_idle()
    d.reload()
    d.wait_idle()
    for name in special:
        expect_once(d, "special", f"6.9.1/{name} ")
    expect_once(d, "special", "6.9.9.conf")
    expect(names(m, "b", f"{m.token}/6.9.1") == ["initrd.img-6.9.1", "linux"],
           f"{names(m, 'b', f'{m.token}/6.9.1')}")
    m.assert_mirrored(scope=[f"{m.token}/6.9.2"])


@scenario(fs_only="ext4")
def scenario_special_files_on_the_target(m):
    """Special files on a target are no target's files: never followed, nothing behind is lost."""
    install(m, "6.9.1")
    write("/tmp/victim/linux", "must stay")
    os.makedirs(f"{m.esp('b')}/{m.token}/6.9.1")
    os.symlink("/tmp/victim/linux", f"{m.esp('b')}/{m.token}/6.9.1/linux")
    os.symlink("/tmp/victim", f"{m.esp('b')}/{m.token}/6.9.0")
    os.mkfifo(f"{m.esp('b')}/{m.token}/fifo")
    d = m.start()
    m.wait_mirrored(scope=[f"{m.token}/6.9.1", "loader/entries/"])
    d.wait_idle()
    expect(tree("/tmp/victim") == {"linux": tree("/tmp/victim")["linux"]}, "the link's target")
    expect(open("/tmp/victim/linux", encoding="ascii").read() == "must stay", "written through")
    expect(not os.path.islink(f"{m.esp('b')}/{m.token}/6.9.1/linux"), "the link is replaced")


@scenario(fs_only="ext4")
def scenario_names_that_differ_in_case(m):
    """Two names that FAT would take for one: one is mirrored, the other reported once."""
    install(m, "6.9.1")
    write(f"{payload(m, '6.9.1')}/README", "upper")
    write(f"{payload(m, '6.9.1')}/readme", "lower")
    d = m.start()
    wait_told(d, "bad-name")
    d.wait_idle()
    d.reload()
    d.wait_idle()
    expect_once(d, "bad-name")
    there = [name for name in names(m, "b", f"{m.token}/6.9.1") if name.lower() == "readme"]
    expect(len(there) == 1, f"{there}")


@scenario()
def scenario_case_changed(m):
    """A name whose case alone changes on the source stays whole on the target."""
    d = begin(m, "6.9.1")
    os.rename(f"{payload(m, '6.9.1')}/linux", f"{payload(m, '6.9.1')}/x")
    os.rename(f"{payload(m, '6.9.1')}/x", f"{payload(m, '6.9.1')}/LINUX")
    d.wait_idle()
    there = {name.lower(): value for name, value in
             tree(f"{m.esp('b')}/{m.token}/6.9.1").items()}
    here = {name.lower(): value for name, value in tree(payload(m, "6.9.1")).items()}
    expect(there == here, f"{differences(here, there)}")
    expect(len(names(m, "b", f"{m.token}/6.9.1")) == 2, "two names of one file")


@scenario()
def scenario_mount_inside(m):
    """Another file system mounted on a directory of a target is not written to, and said once."""
    synced(m, "6.9.1", "6.9.2")
    m.tmpfs(f"{m.esp('b')}/{m.token}/6.9.2")
    write(f"{m.esp('b')}/{m.token}/6.9.2/foreign", "foreign")
    before = tree(m.esp("b"))
    d = m.start()
    wait_told(d, "other-mount", re.escape(m.esp("b")))
    small(m, "6.9.2", seed=1)
    d.wait_idle()
    expect_once(d, "other-mount")
    expect_unchanged(before, m.esp("b"), "written to another file system")
    m.umount(f"{m.esp('b')}/{m.token}/6.9.2")
    d.reload()
    m.wait_mirrored()
