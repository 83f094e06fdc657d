# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images, loop devices and device-mapper tables below a throw-away machine's ESPs.

All of it vanishes by itself: a loop device is auto-clear from its birth on and a device-mapper
device is marked for deferred removal, so both go with their last user, and the last user dies with
the machine's PID namespace.
"""

import errno
import fcntl
import functools
import os
import stat
import struct
import subprocess

_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LO_FLAGS_AUTOCLEAR = 4
_LOOP_MAJOR = 7
_BLKGETSIZE64 = 0x80081272
_BLKFLSBUF = 0x1261

_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DM_DISABLE_UDEV": "1"}


def tool(*command, data=None):
    """Run a tool that must succeed; returns its output."""
    done = subprocess.run([str(word) for word in command], input=data, text=True, env=_ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                           f"{done.stdout}")
    return done.stdout


def _format(path, size, fs, fat, cluster):
    if fs == "vfat":
        options = ["-F", fat or 32, "-n", "ESP"] + (["-s", cluster // 512] if cluster else [])
        tool("mkfs.vfat", *options, path)
    elif fs == "ext4":
        tool("mkfs.ext4", "-q", "-F", "-b", cluster or 4096, "-m", 0, "-I", 256,
             "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1", path)
    else:
        raise ValueError(f"no such file system here: {fs}")


@functools.lru_cache(maxsize=None)
def template(size, fs, fat=None, cluster=None):
    """A formatted, empty file system as a list of (offset, bytes), all else being zeros.

    The runner calls it before it forks a scenario's process: what one has formatted, the others
    need not.
    """
    fd = os.memfd_create("template")
    try:
        os.ftruncate(fd, size)
        _format(f"/proc/{os.getpid()}/fd/{fd}", size, fs, fat, cluster)
        return tuple(_extents(fd, size))
    finally:
        os.close(fd)


def _extents(fd, size):
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:
            return
        position = os.lseek(fd, start, os.SEEK_HOLE)
        data = os.pread(fd, position - start, start)
        if any(data):
            yield start, data


def make_image(path, size, fs, serial, fat=None, cluster=None):
    """A sparse image of `size` bytes with a file system on it; `serial` is vfat's volume id."""
    with open(path, "wb") as file:
        file.truncate(size)
        for start, data in template(size, fs, fat, cluster):
            file.seek(start)
            file.write(data)
        if fs == "vfat":
            for sector in (0,) if fat == 16 else (0, 6):
                file.seek(sector * 512 + (39 if fat == 16 else 67))
                file.write(struct.pack("<I", serial))


def _make_node(path, number):
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mknod(path, 0o600 | stat.S_IFBLK, number)


class Loop:
    """A loop device.  Its descriptor is held, so that an unmount does not clear it."""

    def __init__(self, image):
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.fd, number = self._claim(control, backing)
        finally:
            os.close(backing)
            os.close(control)
        self.path = f"/dev/loop{number}"
        self.devno = os.makedev(_LOOP_MAJOR, number)

    @staticmethod
    def _claim(control, backing):
        # struct loop_config: fd, block size, struct loop_info64 (flags at byte 52 of it), reserved
        config = bytearray(4 + 4 + 232 + 64)
        struct.pack_into("<I", config, 0, backing)
        struct.pack_into("<I", config, 8 + 52, _LO_FLAGS_AUTOCLEAR)
        while True:
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            path = f"/dev/loop{number}"
            _make_node(path, os.makedev(_LOOP_MAJOR, number))
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(fd, _LOOP_CONFIGURE, bytes(config))
                return fd, number
            except OSError as error:
                os.close(fd)
                if error.errno != errno.EBUSY:  # else: another machine was faster, take the next
                    raise


class Mapper:
    """dm-linear over a device: a disk that can break, hang and heal."""

    def __init__(self, name, lower):
        self.name, self.lower = name, lower
        self._hung = self.altered = False
        self.sectors = self._sectors(lower)
        tool("dmsetup", "create", name, data=self._linear(0, self.sectors))
        self.devno = os.stat(f"/dev/mapper/{name}").st_rdev
        # A node of our own: the removal takes dmsetup's node away at once.
        self.path = f"/dev/dm-{os.minor(self.devno)}"
        _make_node(self.path, self.devno)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        tool("dmsetup", "remove", "--deferred", name)

    @staticmethod
    def _sectors(path):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return struct.unpack("<Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))[0] // 512
        finally:
            os.close(fd)

    def _linear(self, start, count):
        return f"{start} {count} linear {self.lower} {start}\n"

    def _load(self, table):
        # Without --noflush the suspend would wait for, and write, what is still in flight.
        if not self._hung:
            tool("dmsetup", "suspend", "--noflush", "--nolockfs", self.name)
        tool("dmsetup", "load", self.name, data=table)
        tool("dmsetup", "resume", self.name)
        self._hung, self.altered = False, True

    def forget(self):
        """Drop what the kernel has cached of the disk: directories and tables stay in the
        processors' lists of recent buffers, which drop_caches alone does not empty."""
        fcntl.ioctl(self.fd, _BLKFLSBUF)

    def break_all(self):
        """Every request fails with EIO."""
        self._load(f"0 {self.sectors} error\n")

    def break_ranges(self, ranges):
        """Requests to these (start, count) ranges of 512-byte sectors fail."""
        table, position = "", 0
        for start, count in sorted(ranges):
            if start > position:
                table += self._linear(position, start - position)
            table += f"{start} {count} error\n"
            position = start + count
        if position < self.sectors:
            table += self._linear(position, self.sectors - position)
        self._load(table)

    def heal(self):
        """All is well again."""
        if self.altered or self._hung:
            self._load(self._linear(0, self.sectors))
        self.altered = False

    def suspend(self):
        """Requests wait until resume(): the disk hangs."""
        tool("dmsetup", "suspend", "--noflush", "--nolockfs", self.name)
        self._hung = True

    def resume(self):
        """The disk answers again."""
        tool("dmsetup", "resume", self.name)
        self._hung = False


def resume_mappers(prefix):
    """Wake every hung device of a machine (called from outside before it is killed: a process that
    waits for a hung disk can't die)."""
    if not os.path.exists("/dev/mapper/control"):
        return
    for line in tool("dmsetup", "ls").splitlines():
        name = line.split()[0]
        if name.startswith(prefix):
            tool("dmsetup", "resume", name)
