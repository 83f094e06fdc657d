# SPDX-License-Identifier: LGPL-2.1-or-later
"""Init of a user-mode Linux guest: loads modules, runs one python script, powers off.

It is python itself, and not a shell script, because each program start costs tens of milliseconds
there and python is needed in any case.  Its first argument is the job file that uml.py wrote.
"""

import json
import os
import runpy
import sys
import termios
import time
import traceback
import tty

BOOT = time.monotonic()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sysns  # noqa: E402  (needs the path)

# In the order of their needs.
MODULES = ("fs/nls/nls_cp437", "fs/nls/nls_ascii", "fs/nls/nls_iso8859-1", "fs/nls/nls_utf8",
           "fs/fat/fat", "fs/fat/vfat", "drivers/block/loop", "drivers/md/dm-mod")


def serial_line():
    """Make the serial line our standard output, byte for byte."""
    fd = os.open("/dev/ttyS0", os.O_WRONLY | os.O_NOCTTY)
    tty.setraw(fd)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    sys.stdout.reconfigure(line_buffering=True)
    return fd


def prepare(job):
    """Mounts, modules, the writable directories, the loopback interface."""
    sysns.mount("sysfs", "/sys", "sysfs")
    os.umask(0o022)
    base = f"/usr/lib/uml/modules/{os.uname().release}/kernel"
    for name in (*MODULES, *job["modules"]):
        sysns.load_module(f"{base}/{name}.ko")
    for path in job["writable"]:
        sysns.mount("none", path, "hostfs", 0, path)
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                       **job["environment"]})


def loopback_up():
    """ip link set lo up, without a program."""
    import fcntl
    import socket
    import struct
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS UP|RUNNING


def run(job):
    """Run the script as if python had been started with it; returns its exit status."""
    sys.argv = [job["script"], *job["arguments"]]
    try:
        runpy.run_path(job["script"], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main():
    """The whole life of the guest."""
    status, line = 1, -1
    try:
        sysns.mount("proc", "/proc", "proc")
        line = serial_line()
        with open(sys.argv[1], encoding="utf-8") as file:
            job = json.load(file)
        prepare(job)
        loopback_up()
        os.environ["BOOTSYNC_UML_BOOT"] = f"{BOOT:.2f}"
        status = run(job)
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os.write(line if line >= 0 else 1, f"@@status {status}\n".encode())
        if line >= 0:
            termios.tcdrain(line)
        os.sync()
        sysns.power_off()


main()
