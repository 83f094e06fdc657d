#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boot systemd as PID 1 in user-mode Linux, with two vfat ESPs, and run a script there.

    with Boot(enable=["bootsyncd.service"], overlay=DIRECTORY) as boot:
        result = boot.run("systemctl status bootsyncd.service")

or from the command line:

    systemd_uml.py [--overlay DIR] [--enable UNIT]… SCRIPT

The guest: /usr is the host's with the overlay directory's usr/ above it, /etc is small and
private, / and /var are tmpfs; journald runs, udev does not, but its database and links are there
for the two disks, so that fstab names them as on a real machine, and `x-systemd.wanted-by=` works.
Each disk is an image with a GPT; after run() it can be read from outside with mtools or fat.Fat.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import efi  # noqa: E402
import uml  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
MACHINE_ID = "0123456789abcdef0123456789abcdef"
START = 2048  # first sector of the partition
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


class Result:
    """What the script printed, its exit status (None: the guest never came to its end), what the
    kernel and systemd said on the console, and how long all of it took."""

    def __init__(self, status, output, console, seconds):
        self.status, self.output = status, output
        self.console, self.seconds = console, seconds


def partuuid(x):
    """The partition UUID of disk `x`."""
    return str(uuid.UUID(f"{ord(x):08x}-57a7-4e00-8000-000000000000"))


def fstab_line(x, root="/boot", options=""):
    """An fstab line for disk `x`, as the manual recommends it."""
    device = f"dev-disk-by\\x2dpartlabel-boot\\x40{x}.device"
    more = f",{options}" if options else ""
    return (f"PARTLABEL=boot@{x} {root}@{x} vfat umask=0077,shortname=lower,nofail,"
            f"x-systemd.wanted-by={device}{more} 0 0\n")


def make_disk(path, x, size=96 << 20):
    """An image with a GPT and one ESP, formatted."""
    with open(path, "wb") as file:
        file.truncate(size)
    end = size // 512 - START - 34
    table = (f"label: gpt\nstart={START}, size={end}, type={ESP_TYPE}, uuid={partuuid(x)}, "
             f"name=boot@{x}\n")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    for command, data in ((["sfdisk", "-q", "--no-reread", path], table),
                          (["mkfs.vfat", "-F", "32", f"--offset={START}", path,
                            str(end // 2)], None)):
        subprocess.run(command, input=data, text=True, env=env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Boot:
    """Two disks, and any number of boots with them.  Parameters:

    overlay    a directory that is copied over the guest's root
    files      {absolute path: text}, the same for single files
    enable     units for `systemctl enable`
    wants      further units that the boot pulls in and waits for
    fstab      text; by default both disks as the manual recommends it
    booted     the disk that LoaderDevicePartUUID names, or None
    attached   disks that are there at all
    root       where the ESPs are to be mounted: ROOT@a, ROOT@b
    end        "poweroff -f": at once; "poweroff": an orderly shutdown
    """

    def __init__(self, overlay=None, files=None, enable=(), wants=(), fstab=None, booted="a",
                 attached="ab", root="/boot", end="poweroff -f", mem="512M"):
        self._disks = {x: os.memfd_create(f"disk-{x}") for x in "ab"}
        self.overlay, self.files = overlay, dict(files or {})
        self.enable, self.wants, self.fstab = list(enable), list(wants), fstab
        self.booted, self.attached, self.root = booted, attached, root
        self.end, self.mem = end, mem
        for x in self._disks:
            make_disk(self.image(x), x)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self._disks.values():
            os.close(fd)

    def image(self, x):
        """Path of a disk's image, in memory; its file system begins at byte START * 512."""
        return f"/proc/{os.getpid()}/fd/{self._disks[x]}"

    def _job(self, script):
        variables = {}
        if self.booted:
            data = efi.variable(efi.text(partuuid(self.booted).upper()))
            variables[f"LoaderDevicePartUUID-{efi.LOADER_GUID}"] = data.hex()
        fstab = self.fstab
        if fstab is None:
            fstab = "".join(fstab_line(x, self.root) for x in "ab")
        # The disks' nodes go by their order on the command line.
        parts = [{"node": f"ubd{'ab'[place]}1", "uuid": partuuid(x), "label": f"boot@{x}"}
                 for place, x in enumerate(self.attached)]
        return {"script": script, "overlay": self.overlay and os.path.abspath(self.overlay),
                "files": self.files, "enable": self.enable, "wants": self.wants, "fstab": fstab,
                "efivars": variables, "parts": parts, "end": self.end, "machine_id": MACHINE_ID,
                "directories": [self.root, f"{self.root}@a", f"{self.root}@b"]}

    def run(self, script, time_limit=120, echo=None):
        """Boot, run a bash script as a unit once the boot is done, power off.  Returns a Result.

        `echo` is a stream that gets each line of output as it comes.
        """
        begin = time.monotonic()
        stage = uml.rootfs.stage([HERE])
        guest = uml.start(f"{HERE}/systemd_guest.py", [f"{stage}/systemd.json"],
                          modules=["fs/overlayfs/overlay"], extra=["console=tty0"],
                          disks=[self._disks[x] for x in self.attached],
                          files={"systemd.json": json.dumps(self._job(script))}, mem=self.mem,
                          time_limit=time_limit)
        lines = []
        try:
            for line in guest.lines():
                lines.append(line)
                if echo:
                    print(line, file=echo, flush=True)
        finally:
            status = guest.close(patience=time_limit if self.end == "poweroff" else 5)
        return Result(status, "\n".join(lines), guest.console(), time.monotonic() - begin)


def main(argv):
    """The command line; the exit status is the script's, or 1."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--overlay", metavar="DIR", help="copied over the guest's root")
    parser.add_argument("--enable", action="append", default=[], metavar="UNIT")
    parser.add_argument("--time-limit", type=float, default=120, metavar="S")
    parser.add_argument("--console", action="store_true", help="print the console, too")
    parser.add_argument("script", metavar="SCRIPT")
    options = parser.parse_args(argv)
    with open(options.script, encoding="utf-8") as file:
        script = file.read()
    with Boot(overlay=options.overlay, enable=options.enable) as boot:
        result = boot.run(script, options.time_limit, sys.stdout)
    if result.status is None or options.console:
        print(result.console)
    return 1 if result.status is None else result.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
