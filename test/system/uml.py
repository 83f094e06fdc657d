# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run a python script inside user-mode Linux: a second kernel, with a real vfat driver.

The guest sees the host's file tree read-only.  Its init is uml_guest.py, which runs the script in
its own process; the script's output comes back over a serial line of its own, line by line, and
its exit status as the last line.  What the kernel says goes to the console, which is shown only
when something went wrong.  UML runs in a PID namespace, so that not one of its processes can
outlive this one.
"""

import json
import os
import select
import shutil
import sys
import tempfile
import time

import rootfs
import sysns

_GUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "uml_guest.py")
_STATUS = "@@status "


def kernel():
    """Path of the user-mode kernel, or None."""
    return shutil.which("linux.uml", path="/usr/bin:/usr/local/bin")


def _boot(command, console, inherited, stage, files):
    """Start the kernel in namespaces of its own, with `files` ({name: text}) in a tmpfs at the
    directory `stage`, which nobody else sees."""
    def setup():
        sysns.mount("proc", "/proc", "proc")  # UML reads /proc/self of its new PID namespace
        sysns.mount("uml", stage, "tmpfs", 0, "mode=755")
        for name, text in files.items():
            with open(f"{stage}/{name}", "w", encoding="utf-8") as file:
                file.write(text)

    def main():
        os.setsid()
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(console, 1)
        os.dup2(console, 2)
        for fd in inherited:
            os.set_inheritable(fd, True)
        # HOME: the kernel makes a directory for its control socket there, and panics without it.
        # TMPDIR: its memory is a file; on tmpfs that is no disk traffic.
        shm = os.access("/dev/shm", os.W_OK | os.X_OK)
        env = {"PATH": "/usr/sbin:/usr/bin", "TMPDIR": "/dev/shm" if shm else stage, "HOME": stage}
        os.execve(command[0], command, env)
    return sysns.spawn(main, setup)


class Guest:
    """A booted kernel.  Lines of the script's output are read with lines().

    `init` is the end of the kernel's command line; `files` are texts that the guest finds in the
    directory `stage`; `disks` are descriptors of images, which become ubda, ubdb …
    """

    def __init__(self, init, stage, files, extra=(), disks=(), mem="512M", time_limit=900):
        self.deadline = time.monotonic() + time_limit
        self.time_limit = time_limit
        self.status = None
        self._console = tempfile.TemporaryFile()
        self._reader, serial = os.pipe()
        command = [kernel(), f"mem={mem}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/",
                   "ro", "quiet", "con=null", "con0=null,fd:1", "ssl=null",
                   f"ssl0=null,fd:{serial}", *extra,
                   *(f"ubd{place}=/proc/self/fd/{fd}" for place, fd in enumerate(disks)), *init]
        self.pid = _boot(command, self._console.fileno(), [serial, *disks], stage, files)
        os.close(serial)

    def lines(self):
        """Yield lines as they come; ends with the guest, or when its time is up."""
        rest = b""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                yield f"user-mode Linux: no end within {self.time_limit:g} s"
                return
            if not select.select([self._reader], [], [], min(left, 5))[0]:
                continue
            data = os.read(self._reader, 65536)
            if not data:
                return
            *whole, rest = (rest + data).replace(b"\r", b"").split(b"\n")
            for line in whole:
                text = line.decode(errors="replace")
                if text.startswith(_STATUS):
                    self.status = int(text[len(_STATUS):])
                else:
                    yield text

    def console(self):
        """What the kernel said."""
        self._console.seek(0)
        return self._console.read().decode(errors="replace")

    def close(self, patience=5):
        """End it, if it has not ended; returns the script's status or None.

        After its status line the guest powers off: that may take `patience` seconds.
        """
        limit = time.monotonic() + (patience if self.status is not None else 0)
        while not sysns.reap(self.pid):
            if time.monotonic() > limit:
                sysns.kill(self.pid)
                break
            time.sleep(0.01)
        os.close(self._reader)
        return self.status


def start(script, arguments, writable=(), env=None, modules=(), files=None, **options):
    """Boot a guest that runs a python script; returns the Guest.

    `writable` directories of the host can be written to, at the same path; `modules` are kernel
    modules beyond the usual ones, `files` texts that the guest finds in $UML_STAGE.  The other
    options are those of Guest: extra words of the kernel's command line, disks, mem, time_limit.
    """
    script = os.path.abspath(script)
    stage = rootfs.stage([script, _GUEST, *writable])
    job = json.dumps({"script": script, "arguments": list(arguments),
                      "writable": [os.path.realpath(path) for path in writable],
                      "environment": {"UML_STAGE": stage, **(env or {})},
                      "modules": list(modules)})
    return Guest(["init=/usr/bin/python3", "--", "-SEB", _GUEST, f"{stage}/job.json"], stage,
                 {"job.json": job, **(files or {})}, **options)


def run(script, arguments, out=sys.stdout, **options):
    """Run a python script in a guest, its output to `out`; returns its exit status.

    Options are those of start().  A guest that ends without a status, or not in time, is status 1,
    with its console printed.
    """
    guest = start(script, arguments, **options)
    try:
        for line in guest.lines():
            print(line, file=out, flush=True)
    finally:
        status = guest.close()
    if status is None:
        print(f"user-mode Linux ended without a status; its console:\n{guest.console()}",
              file=out, flush=True)
        return 1
    return status
