# SPDX-License-Identifier: LGPL-2.1-or-later
"""The known faults of the two shell scripts that bootsyncd replaces: none of them comes back."""

import os
import re

from machine import *
from scenes import *


@scenario()
def scenario_a_kernel_installed_today_waits_for_no_boot(m):
    """The scripts ran at start-up only: a kernel was mirrored after the next boot."""
    begin(m, "6.9.1")
    small(m, "6.9.2")
    m.wait_mirrored(timeout=5)


@scenario()
def scenario_unchanged_files_are_not_rewritten(m):
    """They rewrote every file on every run: times differed, so nothing ever looked equal."""
    install(m, "6.9.1", "6.9.2")
    for path, _, names_ in os.walk(f"{m.esp('a')}/{m.token}"):
        for name in names_:
            os.utime(f"{path}/{name}", (1.5e9, 1.5e9))
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    d.stop()
    m.sync()
    files = [f"{path}/{name}" for path, _, names_ in os.walk(m.esp("b")) for name in names_]
    inodes = {path: (os.stat(path).st_ino, os.stat(path).st_mtime_ns) for path in files}
    for _ in range(2):
        m.run("sync", check=0)
    m.sync()
    for path in files:
        found = os.stat(path)
        expect((found.st_ino, found.st_mtime_ns) == inodes[path], f"{path} was rewritten")
    for path in files:
        source = path.replace(m.esp("b"), m.root)
        expect(abs(os.stat(source).st_mtime - os.stat(path).st_mtime) < 2, f"{path}: its time")


CALLS = re.compile(r"(fsync|renameat2?|unlinkat|mkdirat)\((.*?)\) += 0$")


def calls(trace):
    """What a traced run did to the second ESP: [(call, path)]; a rename by its new name."""
    found = []
    with open(trace, encoding="ascii", errors="replace") as file:
        for line in file:
            hit = CALLS.search(line)
            if not hit or "/boot@b" not in line:
                continue
            name, text = hit.groups()
            base = re.findall(r"<(/boot@b[^>]*)>", text)
            names_ = re.findall(r'"([^"]*)"', text)
            found.append((name, "/".join([base[-1], *names_[-1:]])[len("/boot@b/"):]))
    return found


@scenario()
def scenario_deletions_come_last_and_all_is_flushed(m):
    """Deletions came first, a kernel went before the entry that names it, nothing was flushed."""
    install(m, "6.9.1", "6.9.2")
    m.run("bind", check=0)
    m.run("sync", check=0)
    m.remove_kernel("6.9.1")
    small(m, "6.9.3")
    m.run("sync", check=0, wrap=["strace", "-f", "-qq", "-y", "-o", "/tmp/trace", "-e",
                                 "trace=fsync,renameat,renameat2,unlinkat,mkdirat"])
    done = calls("/tmp/trace")
    entries = f"loader/entries/{m.token}"
    order = [path for name, path in done if name in ("renameat", "renameat2", "unlinkat")]
    wanted = [f"{m.token}/6.9.3/linux", f"{entries}-6.9.3.conf", f"{entries}-6.9.1.conf",
              f"{m.token}/6.9.1/linux", f"{m.token}/6.9.1"]
    expect([path for path in order if path in wanted] == wanted, f"{done}")
    for i, (name, path) in enumerate(done):
        if name == "fsync":
            continue
        later = done[i + 1:i + 3]
        if name.startswith("renameat"):  # the file once more, then the directory
            expect([call for call, _ in later] == ["fsync", "fsync"] and later[0][1] == path
                   and later[1][1] == os.path.dirname(path), f"{path}: {done}")
            expect(done[i - 1][0] == "fsync" and ".bootsync-" in done[i - 1][1], f"{path}: {done}")
        else:
            expect("fsync" in [call for call, _ in later], f"{path}: {done}")


@scenario()
def scenario_a_token_is_no_substring(m):
    """They deleted notes-MID.txt on the target, and made and removed empty directories of other
    systems."""
    install(m, "6.9.1")
    write(f"{m.esp('b')}/notes-{MACHINE_ID}.txt", "mine")
    write(f"{m.esp('a')}/notes-{MACHINE_ID}.txt", "others are on the source")
    write(f"{m.esp('b')}/backup/{MACHINE_ID}/linux", "mine")
    os.makedirs(f"{m.esp('b')}/EFI/Vendor/Boot")
    os.makedirs(f"{m.esp('a')}/EFI/Other/Boot")
    before = tree(m.esp("b"))
    d = m.start()
    m.wait_mirrored()
    small(m, "6.9.2")
    m.wait_mirrored()
    d.wait_idle()
    expect_others_untouched(before, m.esp("b"), m.scope())
    expect(not os.path.exists(f"{m.esp('b')}/EFI/Microsoft"), "a skeleton of another system")
    expect(told(d, "extra") == 0, f"{d.log}")


@scenario()
def scenario_a_uki_named_by_the_token_is_mirrored(m):
    """EFI/Linux/fedora-6.9.1.efi was never mirrored: the scripts knew the machine id only."""
    write("/etc/kernel/entry-token", "fedora\n")
    m.skeleton("a")
    m.add_uki("6.9.1", token="fedora", mb=0.2)
    m.start()
    wait_until(lambda: names(m, "b", "EFI/Linux") == ["fedora-6.9.1.efi"], 5, "the UKI")
    m.wait_mirrored(scope=everything(m, "fedora"))


@scenario()
def scenario_a_counter_is_not_a_new_entry(m):
    """A boot counter's rename looked like a removal and an addition, and a good entry was put on
    trial again on the target."""
    d = begin(m, "6.9.1")
    small(m, "6.9.2", counter=3)
    m.wait_mirrored()
    d.wait_idle()
    os.rename(entry(m, "6.9.2", "b", "+3"), entry(m, "6.9.2", "b"))
    d.reload()
    d.wait_idle()
    before = tree(m.esp("b"))
    os.rename(entry(m, "6.9.2", counter="+3"), entry(m, "6.9.2", counter="+2-1"))
    d.wait_idle()
    expect_unchanged(before, m.esp("b"), "a good entry was put on trial")


@scenario()
def scenario_a_kernel_removed_on_purpose(m):
    """Once the newest kernel was removed on purpose, the target was 'newer', and refused for
    ever."""
    d = begin(m, "6.9.1", "6.9.2")
    m.remove_kernel("6.9.2")
    m.wait_mirrored()
    d.wait_idle()
    small(m, "6.9.3")
    m.wait_mirrored()
    d.wait_idle()
    d.stop()
    m.remove_kernel("6.9.3")  # while no daemon runs
    d = m.start()
    m.wait_mirrored()
    d.wait_idle()
    expect("in sync" in d.status and told(d, "target-newer") == 0, f"{d.status} {d.log}")


@scenario()
def scenario_started_twice(m):
    """A second start failed: the script's own bind was 'already mounted'."""
    d = begin(m, "6.9.1")
    expect(d.stop() == 0 and m.bound() == "a", "stopped; the bind stays")
    m.run("bind", check=0)
    m.run("bind", check=0)
    d = m.start()
    small(m, "6.9.2")
    m.wait_mirrored()
    d.kill()
    m.start()
    small(m, "6.9.3")
    m.wait_mirrored()
