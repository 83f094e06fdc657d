# SPDX-License-Identifier: LGPL-2.1-or-later
"""One EFI system partition of a throw-away machine, and what udev would say of it."""

import os
import time

from disks import Loop, Mapper, make_image
from trees import write


class Esp:
    """One partition: its image, its device and its identity."""

    def __init__(self, letter, size, fs, uuid, mapper=None, fat=None, cluster=None):
        self.letter, self.fs, self.uuid = letter, fs, uuid
        self.image = f"/rig/esp-{letter}-{uuid[:8]}-{time.monotonic_ns()}.img"
        make_image(self.image, size, fs, ord(letter), fat, cluster)
        self.loop = Loop(self.image)
        self.mapper = Mapper(mapper, self.loop.path) if mapper else None
        self.device = (self.mapper or self.loop).path
        self.devno = (self.mapper or self.loop).devno
        self.plug()

    @property
    def number(self):
        """major:minor, as in mountinfo."""
        return f"{os.major(self.devno)}:{os.minor(self.devno)}"

    def plug(self):
        """Let the machine know the partition as udev would."""
        _replace_link(self.device, f"/dev/disk/by-partuuid/{self.uuid}")
        write(f"/run/udev/data/b{self.number}", f"I:1\nE:ID_PART_ENTRY_UUID={self.uuid}\n")
        block = f"/sys/dev/block/{self.number}"
        if not os.path.lexists(block):
            os.symlink(f"../../devices/virtual/block/{os.path.basename(self.device)}", block)

    def unplug(self):
        """Take away what udev and sysfs say of it; the mount stays, as on a real machine."""
        for path in (f"/dev/disk/by-partuuid/{self.uuid}", f"/run/udev/data/b{self.number}",
                     f"/sys/dev/block/{self.number}"):
            if os.path.lexists(path):
                os.unlink(path)

    def close(self):
        """Let go of the devices; they vanish once nothing is mounted from them."""
        for device in (self.mapper, self.loop):
            if device is not None:
                os.close(device.fd)


def _replace_link(target, path):
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)


def default_uuid(letter):
    """The partition UUID that an ESP gets unless told otherwise."""
    return f"{letter * 8 if letter in 'abcdef' else '0' * 8}-57a7-4e00-8000-0000000000" \
           f"{ord(letter):02x}"
