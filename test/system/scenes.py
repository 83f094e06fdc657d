# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scenarios of mirroring share: small kernels, common beginnings, the daemon's words."""

import os
import re
import shutil

from machine import CONFIG, differences, expect, tree, wait_until, write
from trees import short

SLOW_TIMERS = CONFIG.replace("200ms", "1h").replace("MaxDelaySec=2s", "MaxDelaySec=1h")

# What the daemon says of a state, by the name that the journal has for it (BOOTSYNC_REASON=).
WORDS = {
    "root-not-mounted": "is no mount point",
    "root-no-member": "is mounted at no .*@\\[a-z\\] as well",
    "members-share-device": "are one and the same partition",
    "members-share-uuid": "are two partitions with one PARTUUID",
    "no-loader": "/loader is no directory",
    "no-machine-id": "no valid machine id",
    "no-modules": "/lib/modules holds no kernel version",
    "newest-missing": "does not hold the newest kernel",
    "source-unreadable": "cannot be read.*nothing is removed",
    "source-lost": "The disk below .* is gone or fails",
    "target-missing": "is not mounted: it is brought up to date",
    "target-wrong-fs": "which FileSystems= does not allow",
    "target-read-only": "is read-only",
    "target-newer": "which is newer than",
    "target-full": "is too full: \\d+ more bytes",
    "last-entry": "would be left without a complete boot entry",
    "running-kernel": "belongs to the running kernel and stays",
    "extra": "nobody saw it go: it stays",
    "source-not-bootable": "has no complete boot entry for its newest kernel",
    "in-the-way": "is needed to boot: it stays",
    "entry-incomplete": "which is missing or empty: it is not mirrored",
    "entry-outside": "Add .* to ExtraPaths=",
    "entry-no-kernel": "is empty or names nothing to start",
    "bad-name": "is a name that FAT cannot hold",
    "special": "is no regular file or directory",
    "other-mount": "has another file system mounted on it",
    "busy": "is open for writing: it is mirrored when it is closed",
    "drift": "was not as it had been mirrored: it is repaired",
    "source-error": "cannot be read.*it is not mirrored",
    "target-error": "failed.*it is not up to date",
    "bind-lost": "is not bound to the ESP any more",
    "locked": "Another bootsyncd is at work",
    "mirrored": "mirrored \\d+ file|removed \\d+ in",
    "in-sync": "in sync",
    "target-back": "@.: is mounted|@. is mounted",
    "target-hung": "does not answer: it is left alone",
    "worker-died": "ended early",
    "watch-limit": "max_user_watches is reached",
    "overflow": "faster than the kernel could queue",
    "state-failed": "cannot be written.*compared by content at the next start",
    "state-broken": "is damaged.*it is made anew",
    "stop-pending": "Stopped before all was mirrored",
}


def told(d, reason, of=""):
    """How often the daemon said so (in a line that matches `of`)."""
    return sum(1 for line in list(d.log) if re.search(WORDS[reason], line) and re.search(of, line))


def expect_once(d, reason, of=""):
    """It was said, and not twice."""
    count = told(d, reason, of)
    expect(count == 1, lambda: f"{reason} {of} was said {count} times:\n  " + "\n  ".join(d.log))


def wait_told(d, reason, of="", times=1, timeout=10):
    """Wait until it was said so often."""
    wait_until(lambda: told(d, reason, of) >= times, timeout,
               lambda: f"{reason} {of}, in:\n  " + "\n  ".join(d.log))


def status_of(result, reason):
    """Whether a verb said so."""
    return re.search(WORDS[reason], result.stderr) is not None


# -- kernels

def small(m, version, where=None, **given):
    """A small kernel; returns its payload directory."""
    return m.add_kernel(version, where=where, **{"linux_mb": 0.1, "initrd_mb": 0.2, **given})


def install(m, *versions, **given):
    """A boot loader and small kernels on the booted ESP."""
    m.skeleton(m.booted)
    for version in versions or ("6.9.1",):
        small(m, version, where=m.esp(m.booted), **given)


def bound(m, *versions, **given):
    """Kernels on the booted ESP, which is bound: for verbs."""
    install(m, *versions, **given)
    m.run("bind", check=0)


def synced(m, *versions, **given):
    """The same, and mirrored; nothing runs."""
    bound(m, *versions, **given)
    m.run("sync", check=0)
    m.assert_mirrored()


def begin(m, *versions, **given):
    """The same, and a daemon that has mirrored all of it and is quiet."""
    install(m, *versions)
    d = m.start(**given)
    m.wait_mirrored()
    d.wait_idle()
    return d


def payload(m, version, x=None):
    """Path of the payload directory of a version on an ESP, or below ROOT."""
    return f"{m.esp(x) if x else m.boot_dir()}/{m.token}/{version}"


def entry(m, version, x=None, counter="", token=None):
    """Path of its entry."""
    return (f"{m.esp(x) if x else m.boot_dir()}/loader/entries/"
            f"{token or m.token}-{version}{counter}.conf")


def everything(m, token=None):
    """All that is ours, for wait_mirrored(): vfat may spell a short name in lower case."""
    return m.scope(token) + [f"efi/Linux/{token or m.token}-"]


def names(m, x, directory="loader/entries"):
    """Names in a directory of an ESP, sorted; [] if it is not there."""
    path = f"{m.esp(x)}/{directory}"
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def modules(*versions):
    """/lib/modules holds just these."""
    for name in os.listdir("/lib/modules"):
        shutil.rmtree(f"/lib/modules/{name}")
    for version in versions:
        os.makedirs(f"/lib/modules/{version}")


def empty(path):
    """Remove all that a directory holds."""
    for name in os.listdir(path):
        if os.path.isdir(f"{path}/{name}") and not os.path.islink(f"{path}/{name}"):
            shutil.rmtree(f"{path}/{name}")
        else:
            os.unlink(f"{path}/{name}")


def udev_record(m, x, uuid=None):
    """What udev's data base says of ESP x, in its real form: the GUID is never the first line."""
    device = m.devno(x)
    write(f"/run/udev/data/b{os.major(device)}:{os.minor(device)}",
          f"S:disk/by-diskseq/1-part1\nI:2100000\nE:DEVTYPE=partition\n"
          f"E:ID_PART_ENTRY_UUID={uuid or m.partuuid(x)}\nE:ID_PART_ENTRY_NUMBER=1\n")


# -- what must not change

def expect_others_untouched(before, path, ours):
    """All that was there in `before` is as it was, and what is new begins with one of `ours`, or is
    a directory on the way there."""
    after = tree(path)
    lines = [f"{name}: was {short(value)}, is {short(after.get(name))}"
             for name, value in before.items() if after.get(name) != value]
    lines += [f"{name}: is new" for name in set(after) - set(before)
              if not any(name.startswith(prefix) or prefix.startswith(name + "/")
                         for prefix in ours)]
    expect(not lines, f"others' files on {path}:\n    " + "\n    ".join(lines))


def leftovers(*trees):
    """Our temporary files in these trees."""
    return [f"{path}/{name}" for path in trees for name in tree(path)
            if os.path.basename(name).startswith(".bootsync-")]


def expect_unchanged(before, path, what="changed"):
    """The tree is as it was."""
    lines = differences(before, path)
    expect(not lines, f"{what}:\n    " + "\n    ".join(lines))


# -- figures

def writes_of(m, x):
    """Writes and sectors written to the disk of ESP x so far, from its device's statistics."""
    with open(f"/sys/block/{os.path.basename(m.device(x))}/stat", encoding="ascii") as file:
        fields = file.read().split()
    return int(fields[4]), int(fields[6])


def memory(pid, name):
    """A field of /proc/PID/status, in kB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(rf"^{name}:\s+(\d+)", file.read(), re.MULTILINE)[1])
