#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd_uml.py proves itself: what the tests of our unit rely on, with a unit of its own."""

import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import uml                                          # noqa: E402
from systemd_uml import START, Boot, partuuid       # noqa: E402

# Binds at the start, writes on both ESPs at the stop: what our daemon will do.
UNIT = """\
[Unit]
Description=A stand-in
DefaultDependencies=no
After=local-fs-pre.target boot.mount boot\\x40a.mount boot\\x40b.mount
Before=local-fs.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/standin start
ExecStop=/usr/sbin/standin stop

[Install]
WantedBy=local-fs.target
"""

PROGRAM = """\
#!/bin/sh
case $1 in
start) echo "stand-in starts"; mount --bind /boot@a /boot ;;
stop)  for x in a b; do mountpoint -q /boot@$x && echo last >/boot@$x/goodbye; done ;;
esac
"""

SCRIPT = """\
systemctl is-system-running
systemctl show -P ActiveState -P Result standin.service
systemctl show -P ActiveState 'boot\\x40a.mount' 'boot\\x40b.mount'
journalctl -b -u standin.service -o cat --no-pager | grep stand-in.starts
findmnt -n -o FSTYPE,SOURCE /boot
ls -l /dev/disk/by-partuuid | grep -o 'ubd.*'
tail -c +5 /sys/firmware/efi/efivars/LoaderDevicePartUUID-* | tr -d '\\0'; echo
exit 3
"""

failures = []


def check(condition, what):
    """Note a failure and go on.  Only a failure shows what follows the first ": "."""
    print("ok " + what.split(": ")[0] if condition else "FAIL " + what, flush=True)
    if not condition:
        failures.append(what)


def overlay(directory):
    """A tree as an installed package would be."""
    for path, text in (("usr/sbin/standin", PROGRAM),
                       ("usr/lib/systemd/system/standin.service", UNIT)):
        os.makedirs(os.path.dirname(f"{directory}/{path}"), exist_ok=True)
        with open(f"{directory}/{path}", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(f"{directory}/{path}", 0o755 if "sbin" in path else 0o644)
    return directory


def on_disk(boot, x):
    """The text of /goodbye on a disk's image, read from outside."""
    return subprocess.run(["mtype", "-i", f"{boot.image(x)}@@{START * 512}", "::/goodbye"],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False).stdout.strip()


def test_two_disks(boot):
    """A whole life: boot, work, orderly shutdown."""
    result = boot.run(SCRIPT)
    print(f"   ({result.seconds:.1f} s)")
    lines = result.output.split("\n")
    check(result.status == 3, f"the script's status comes back: {result.status}")
    check(lines[0] == "running", f"systemd is content: {lines}")
    check("active" in lines[1:3] and "success" in lines[1:3], f"the unit ran: {lines}")
    check([line for line in lines[3:6] if line] == ["active", "active"], f"both mounts: {lines}")
    check("stand-in starts" in lines, f"the journal has its words: {lines}")
    check("vfat   /dev/ubda1" in lines, f"its bind is visible: {lines}")
    check("ubda1" in lines and "ubdb1" in lines, f"partitions by UUID: {lines}")
    check(partuuid("a").upper() in lines, f"the EFI variable: {lines}")
    for x in "ab":
        check(on_disk(boot, x) == "last", f"ESP {x} was written to before it was unmounted")
    if failures:
        print(result.output, result.console, sep="\n")


def test_one_disk(directory):
    """A missing disk costs no time."""
    with Boot(overlay=directory, enable=["standin.service"], attached="a") as boot:
        result = boot.run("systemctl is-system-running; mountpoint /boot@b; mountpoint /boot@a")
    print(f"   ({result.seconds:.1f} s)")
    check(result.output.split("\n") == ["running", "/boot@b is not a mountpoint",
                                        "/boot@a is a mountpoint"], f"one disk: {result.output}")
    check(result.seconds < 60, "and nothing waited for the other")


def main():
    """Returns the exit status."""
    if uml.kernel() is None:
        print("FAIL there is no linux.uml here (Debian: user-mode-linux)")
        return 1
    with tempfile.TemporaryDirectory(prefix="bootsync-overlay-") as directory:
        overlay(directory)
        with Boot(overlay=directory, enable=["standin.service"], end="poweroff") as boot:
            test_two_disks(boot)
        test_one_disk(directory)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
