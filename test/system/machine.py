# SPDX-License-Identifier: LGPL-2.1-or-later
"""A throw-away machine with mirrored EFI system partitions (ESPs), for scenario files.

A scenario file says `from machine import *` and holds functions such as

    @scenario(esps="abc", root="/efi")
    def scenario_new_kernel(m):
        d = m.start()
        m.add_kernel("6.9.1")
        m.wait_mirrored()
        expect(d.stop() == 0, "exit status")

Each runs in a machine of its own: its own mounts, processes, /etc, /dev, EFI variables.  Inside it
*absolute paths are the machine's*: open("/etc/machine-id") is its own, and nothing of the host can
be reached but its programs, read-only.  Whatever is left running or mounted at the end vanishes.

Time limits are given in seconds on real hardware and grow by themselves where that is slow.
"""

import os
import re
import shutil
import signal
import subprocess
import time

import efi
import sysns
from daemon import Daemon, Journal
from esp import Esp, default_uuid
from fat import Fat
from kernels import Kernels
from trees import assert_same, differences, short, tree, write, write_random
from watching import SLOW, Failed, expect, hold, wait_until

__all__ = ["Machine", "Failed", "Skipped", "scenario", "expect", "wait_until", "hold", "tree",
           "assert_same", "differences", "write", "write_random", "efi", "SLOW", "CONFIG",
           "MACHINE_ID"]

MACHINE_ID = "0123456789abcdef0123456789abcdef"

CONFIG = """\
[ESP]
FileSystems=vfat ext4
BindTimeoutSec=2s

[Mirror]
DebounceSec=200ms
MaxDelaySec=2s
"""

SIZE = 64 << 20  # of an ESP's image, in bytes; sparse
_VFAT_OPTIONS = "umask=0077,shortname=lower,tz=UTC,utf8=0,iocharset=ascii"
_PIECE = 1 << 16  # bytes written at once


class Skipped(Exception):
    """A scenario that cannot run here; it makes the whole run fail."""


def scenario(fs_only=None, timeout=60, **machine):
    """Mark a function as a scenario.

    fs_only   "ext4" or "vfat": it makes no sense on the other one
    timeout   seconds until it is ended, and has failed
    The rest are Machine's parameters.  dm=True implies fs_only="vfat".
    """
    if machine.get("dm"):
        fs_only = fs_only or "vfat"

    def mark(function):
        function.scenario = {"fs_only": fs_only, "timeout": timeout, "machine": machine}
        return function
    return mark


class Result:
    """How a verb ended: status, stdout, stderr."""

    def __init__(self, done):
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"status {self.status}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class Machine(Kernels):
    """See the top of this file.  Parameters:

    root      the path that everyone uses; made, empty, not a mount point
    esps      letters of the partitions
    booted    which of them LoaderDevicePartUUID names; None: no such variable
    fs        "vfat" or "ext4"; by default the tier's
    mounted   letters of those that are mounted at first; by default all
    size      bytes of each image (sparse)
    fat, cluster   16 or 32; bytes per cluster
    options   mount options instead of the usual ones
    dm        put device-mapper below, for break_disk() and the like
    """

    def __init__(self, root="/boot", esps="ab", booted="a", fs=None, mounted=None, size=SIZE,
                 fat=None, cluster=None, options=None, dm=False):
        self.root, self.booted = root, booted
        self.fs = fs or os.environ.get("BOOTSYNC_TEST_FS", "ext4")
        self.binary = os.environ.get("BOOTSYNCD", "")
        self.machine_id = MACHINE_ID
        self.token = MACHINE_ID
        self.daemons, self._esps, self._sysctls = [], {}, {}
        self._defaults = {"size": size, "fat": fat, "cluster": cluster, "dm": dm}
        self._options = options
        self._id = os.environ.get("BOOTSYNC_TEST_ID", f"rig{os.getpid()}")
        self.own_kernel = os.environ.get("BOOTSYNC_OWN_KERNEL") == "1"
        self.journal = Journal()
        write("/etc/machine-id", MACHINE_ID + "\n")
        os.makedirs(root)
        for letter in esps:
            self.add_esp(letter, mount=letter in (esps if mounted is None else mounted))
        if booted:
            self.set_loader_uuid(booted)
        self.config()

    # -- partitions and mounts

    def add_esp(self, x, mount=True, uuid=None, size=None, fat=None, cluster=None, fs=None):
        """One more partition, empty; in place of an earlier one of that letter if there is one
        (unmount that first)."""
        if x in self._esps:
            self._esps[x].unplug()
            self._esps[x].close()
        given = self._defaults
        serial = len(os.listdir("/rig"))
        self._esps[x] = Esp(x, size or given["size"], fs or self.fs, uuid or default_uuid(x),
                            f"{self._id}-{x}{serial}" if given["dm"] else None,
                            fat or given["fat"], cluster or given["cluster"])
        os.makedirs(self.esp(x), exist_ok=True)
        if mount:
            self.mount(x)
            if self._esps[x].fs == "ext4":
                os.rmdir(f"{self.esp(x)}/lost+found")

    def esp(self, x):
        """Where ESP `x` is mounted."""
        return f"{self.root}@{x}"

    def partuuid(self, x):
        """Its partition UUID, lower case."""
        return self._esps[x].uuid

    def devno(self, x):
        """Its device number."""
        return self._esps[x].devno

    def device(self, x):
        """Its device node."""
        return self._esps[x].device

    def mount(self, x, at=None, readonly=False, options=None):
        """Mount ESP `x` at ROOT@x, or elsewhere."""
        esp, at = self._esps[x], at or self.esp(x)
        os.makedirs(at, exist_ok=True)
        data = options or self._options or (_VFAT_OPTIONS if esp.fs == "vfat" else None)
        sysns.mount(esp.device, at, esp.fs, sysns.MS_RDONLY if readonly else 0, data)

    def umount(self, x, lazy=False):
        """Unmount ROOT@x; a path works too."""
        sysns.umount(x if "/" in x else self.esp(x), sysns.MNT_DETACH if lazy else 0)

    def remount_ro(self, x):
        """Make the file system of ESP `x` read-only."""
        self._remount(x, sysns.MS_RDONLY)

    def remount_rw(self, x):
        """Make it writable again."""
        self._remount(x, 0)

    def _remount(self, x, flags):
        sysns.mount(None, self.esp(x), None, sysns.MS_REMOUNT | flags, None)

    def bind(self, source, target, readonly=False):
        """mount --bind."""
        sysns.bind(source, target, readonly)

    def tmpfs(self, path, readonly=False, size="16m"):
        """Cover `path` with an empty tmpfs (a /var of its own, a foreign mount at ROOT@c …)."""
        os.makedirs(path, exist_ok=True)
        sysns.mount("tmpfs", path, "tmpfs", sysns.MS_RDONLY if readonly else 0, f"size={size}")

    def mounts(self):
        """{mount point: (major:minor, root within the file system, type, options)} as now."""
        found = {}
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            for line in file:
                fields, _, rest = line.rstrip("\n").partition(" - ")
                field = fields.split()
                point = re.sub(r"\\(\d{3})", lambda hit: chr(int(hit[1], 8)), field[4])
                found[point] = (field[2], field[3], rest.split()[0], field[5])
        return found

    def bound(self):
        """Letter of the ESP that is bound to ROOT; None if ROOT is no mount point."""
        here = self.mounts().get(self.root)
        return here and next((x for x, esp in self._esps.items() if esp.number == here[0]), "?")

    def boot_dir(self):
        """ROOT once it is bound, else the booted ESP: where kernels are installed."""
        return self.root if self.root in self.mounts() else self.esp(self.booted)

    def free(self, x):
        """Bytes free on ESP `x`."""
        info = os.statvfs(self.esp(x))
        return info.f_bavail * info.f_frsize

    def fill(self, x, leave=0, name="ballast.bin"):
        """Fill ESP `x` with a foreign file until about `leave` bytes are free; returns its path."""
        path = f"{self.esp(x)}/{name}"
        with open(path, "wb", buffering=0) as file:
            try:
                while (room := self.free(x) - leave) > 0:
                    file.write(bytes(min(room, _PIECE)))
            except OSError:
                pass
        return path

    def sync(self):
        """sync(2): flush everything."""
        os.sync()

    # -- disks that fail (dm=True), or go away

    def break_disk(self, x, ranges=None):
        """Every request to the disk of ESP `x` fails; or only those to `ranges`, a list of
        (first sector, count).  What the kernel had cached of it is forgotten."""
        mapper = self._esps[x].mapper
        os.sync()
        if ranges is None:
            mapper.break_all()
        else:
            mapper.break_ranges(ranges)
        mapper.forget()
        self.drop_caches()

    def sectors(self, x, path=None):
        """Where `path` (relative; "" is the root directory) lies on the vfat disk of ESP `x`, as
        the ranges that break_disk() takes; without a path: the file allocation table."""
        os.sync()
        image = Fat(self._esps[x].image)
        return image.table_sectors() if path is None else image.sectors(path)

    def heal_disk(self, x):
        """The disk works again."""
        self._esps[x].mapper.heal()

    def suspend_disk(self, x):
        """The disk hangs: requests wait."""
        self._esps[x].mapper.suspend()

    def resume_disk(self, x):
        """They go on."""
        self._esps[x].mapper.resume()

    def drop_caches(self):
        """Forget clean pages, names and inodes."""
        write("/proc/sys/vm/drop_caches", "3")

    def pull_disk(self, x):
        """What a pulled disk looks like: sysfs and udev forget it, the mount stays, and with
        dm=True every request fails."""
        self._esps[x].unplug()
        if self._esps[x].mapper:
            self.break_disk(x)

    def plug_disk(self, x):
        """Undo pull_disk()."""
        if self._esps[x].mapper:
            self.heal_disk(x)
        self._esps[x].plug()

    # -- EFI variables

    def set_var(self, name, data, guid=efi.LOADER_GUID, attributes=efi.ATTR_VOLATILE, raw=False):
        """Write a variable's file; `raw`: without the attributes in front."""
        write(f"/sys/firmware/efi/efivars/{name}-{guid}",
               data if raw else efi.variable(data, attributes))

    def del_var(self, name, guid=efi.LOADER_GUID):
        """Remove a variable, if it is there."""
        path = f"/sys/firmware/efi/efivars/{name}-{guid}"
        if os.path.exists(path):
            os.unlink(path)

    def _uuid_of(self, x_or_uuid):
        return self.partuuid(x_or_uuid) if x_or_uuid in self._esps else x_or_uuid

    def set_loader_uuid(self, x_or_uuid):
        """LoaderDevicePartUUID, in upper case as systemd-boot writes it."""
        self.set_var("LoaderDevicePartUUID", efi.text(self._uuid_of(x_or_uuid).upper()))

    def set_stub_uuid(self, x_or_uuid):
        """StubDevicePartUUID."""
        self.set_var("StubDevicePartUUID", efi.text(self._uuid_of(x_or_uuid).upper()))

    def set_boot_current(self, number):
        """BootCurrent."""
        self.set_var("BootCurrent", number.to_bytes(2, "little"), efi.GLOBAL_GUID)

    def set_boot_entry(self, number, data):
        """Boot####; see efi.load_option() for its bytes.  An ESP's letter does too."""
        if isinstance(data, str):
            data = efi.load_option(self._uuid_of(data))
        self.set_var(f"Boot{number:04X}", data, efi.GLOBAL_GUID, efi.ATTR_STORED)

    def reboot(self, booted=None, unit_stop=True):
        """The next start-up: the daemon stopped, everything unmounted, ROOT empty again, /run
        forgotten; mounted again what was, and started from ESP `booted` if one is given."""
        if unit_stop:
            for daemon in self.daemons:
                if daemon.running:
                    daemon.stop()
        mounted = [x for x in self._esps if self.esp(x) in self.mounts()]
        while self.root in self.mounts():
            sysns.umount(self.root)
        for x in mounted:
            self.umount(x)
        shutil.rmtree("/run/bootsync", ignore_errors=True)
        for x in mounted:
            self.mount(x)
        if booted:
            self.booted = booted
            self.set_loader_uuid(booted)

    # -- is it mirrored?

    def scope(self, token=None):
        """Prefixes of all that is ours on an ESP."""
        token = token or self.token
        return [f"{token}/", f"loader/entries/{token}-", f"EFI/Linux/{token}-"]

    def assert_mirrored(self, *targets, source=None, scope=None):
        """Fail unless these ESPs (default: all mounted ones) hold what the source holds."""
        source = source or self.boot_dir()
        for x in targets or self._mounted_targets():
            lines = differences(source, self.esp(x), scope or self.scope())
            expect(not lines, f"{source} <> {self.esp(x)}:\n    " + "\n    ".join(lines))

    def wait_mirrored(self, *targets, timeout=15, source=None, scope=None):
        """Wait for it.  (To look at the trees does no harm: reading raises no event that counts.)
        """
        source = source or self.boot_dir()
        last = {}

        def mirrored():
            last["lines"] = [f"{x}: {line}" for x in targets or self._mounted_targets()
                             for line in differences(source, self.esp(x), scope or self.scope())]
            return not last["lines"]
        wait_until(mirrored, timeout, lambda: "mirrored\n    " + "\n    ".join(last["lines"]),
                   step=0.1)

    def _mounted_targets(self):
        mounts = self.mounts()
        active = self.bound() or self.booted
        found = [x for x in self._esps if x != active and self.esp(x) in mounts]
        expect(found, "no target is mounted")
        return found

    # -- the program

    def config(self, text=CONFIG):
        """Write bootsync.conf.  Default: CONFIG, plus [ESP] Root= if ROOT is not /boot."""
        if text is CONFIG and self.root != "/boot":
            text = text.replace("[ESP]\n", f"[ESP]\nRoot={self.root}\n")
        write("/etc/bootsync/bootsync.conf", text)

    def dropin(self, text, name="50-test"):
        """Write bootsync.conf.d/<name>.conf: overrides single keys."""
        write(f"/etc/bootsync/bootsync.conf.d/{name}.conf", text)

    @staticmethod
    def _environment(extra, wrap=()):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        for name, value in os.environ.items():
            if name.startswith(("ASAN_", "UBSAN_", "LSAN_", "GCOV_", "LLVM_", "BOOTSYNC_LOG")):
                env[name] = value
        if "strace" in wrap:  # LeakSanitizer cannot work where another traces
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return {**env, **(extra or {})}

    def start(self, args=(), wait_ready=True, env=None, config=None, wrap=(), timeout=15):
        """Start the daemon; returns a Daemon.

        config   text for bootsync.conf
        wrap     a command in front of it, as ["strace", "-f", "-o", "/tmp/trace"]
        """
        if config is not None:
            self.config(config)
        started = Daemon([self.binary, *args], self._environment(env, wrap), wrap)
        self.daemons.append(started)
        if wait_ready:
            started.wait_notify(r"^READY=1$", timeout)
        return started

    def run(self, *words, env=None, timeout=60, wrap=(), stdin=None, check=None):
        """Run a verb (`m.run("sync", "--prune")`) and return its Result.

        `check` is the exit status that it must have; `stdin` a text.
        """
        done = subprocess.run(
            [*wrap, self.binary, *words], env=self._environment(env, wrap), cwd="/", text=True,
            errors="replace", input=stdin if stdin is not None else "", capture_output=True,
            timeout=timeout * SLOW, check=False)
        result = Result(done)
        expect("Sanitizer" not in result.stderr and ": runtime error: " not in result.stderr,
               lambda: f"a sanitizer reported an error in {words}: {result}")
        expect(check is None or done.returncode == check,
               lambda: f"{words}: expected status {check}: {result}")
        return result

    def shell(self, command, check=True):
        """Run a shell command in the machine; returns its Result."""
        result = Result(subprocess.run(["/bin/sh", "-c", command], text=True, errors="replace",
                                       capture_output=True, env=self._environment(None),
                                       check=False))
        expect(not check or result.status == 0, lambda: f"{command}: {result}")
        return result

    # -- only where the kernel is our own (user-mode Linux)

    def _needs_own_kernel(self, what):
        if not self.own_kernel:
            raise Skipped(f"{what} would change the host: give the scenario fs_only=\"vfat\"")

    def sysctl(self, name, value):
        """Set /proc/sys/<name> until the end of the scenario."""
        self._needs_own_kernel("a sysctl")
        path = f"/proc/sys/{name}"
        with open(path, encoding="ascii") as file:
            self._sysctls.setdefault(path, file.read())
        write(path, str(value))

    def jump_clock(self, seconds):
        """Move CLOCK_REALTIME."""
        self._needs_own_kernel("a clock jump")
        now = time.clock_gettime(time.CLOCK_REALTIME)
        time.clock_settime(time.CLOCK_REALTIME, now + seconds)

    def load_module(self, name):
        """Load a kernel module by its path, as "drivers/md/dm-dust" or "fs/autofs/autofs4"."""
        self._needs_own_kernel("a module")
        sysns.load_module(f"/usr/lib/uml/modules/{os.uname().release}/kernel/{name}.ko")

    # -- the end

    def close(self):
        """End what runs and say what the daemons died of, if that alone is a failure."""
        for path, value in self._sysctls.items():
            write(path, value)
        for esp in self._esps.values():
            if esp.mapper:
                esp.mapper.heal()
        reasons = [reason for reason in (daemon.verdict() for daemon in self.daemons) if reason]
        for daemon in self.daemons:
            if daemon.running:
                daemon.process.send_signal(signal.SIGKILL)
        return reasons

    def report(self):
        """All that helps to understand a failure."""
        parts = [daemon.report() for daemon in self.daemons]
        parts += [f"journal {record.pid}: {dict(record)}" for record in self.journal.records]
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            parts.append("mounts:\n" + "".join(f"  {line}" for line in file if self.root in line))
        for x in self._esps:
            where = self.esp(x)
            state = self.mounts().get(where, "not mounted")
            parts.append("\n".join([f"{where} {state}:"] + [
                f"  {short(entry):<40} {path}" for path, entry in tree(where).items()]))
        return "\n".join(parts)
