# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thin hands on the kernel: mounts, namespaces and process trees that clean up after themselves.

Python 3.11 has no unshare, mount or pivot_root of its own, so this is the one file of the rig that
talks to libc by ctypes.  Every call raises OSError with the path that it was about.
"""

import ctypes
import os
import platform
import select
import signal

_libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE, MS_SHARED = 4096, 8192, 16384, 1 << 18, 1 << 20
MNT_DETACH = 2

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000

# Our end of each spawned child's pipe; it closes when we end.
_lifelines = {}

_PR_SET_PDEATHSIG = 1
_RB_POWER_OFF = 0x4321FEDC

# System calls that libc has no wrapper for: (finit_module, pivot_root).
_NUMBERS = {"x86_64": (313, 155), "aarch64": (273, 41)}


def _check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _bytes(text):
    return None if text is None else os.fsencode(text)


def _number(index):
    machine = platform.machine()
    if machine not in _NUMBERS:
        raise OSError(0, f"the rig knows no system call numbers of {machine}")
    return ctypes.c_long(_NUMBERS[machine][index])


def mount(source, target, fstype=None, flags=0, data=None):
    """mount(2)."""
    _check(_libc.mount(_bytes(source), _bytes(target), _bytes(fstype), ctypes.c_ulong(flags),
                       _bytes(data)), f"mount {fstype or ''} {source} on {target} ({data})")


def umount(target, flags=0):
    """umount2(2)."""
    _check(_libc.umount2(_bytes(target), flags), f"umount {target}")


def bind(source, target, readonly=False, recursive=False):
    """Bind-mount `source` onto `target`; read-only takes a second call, as always with binds."""
    mount(source, target, None, MS_BIND | (MS_REC if recursive else 0))
    if readonly:
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def unshare(flags):
    """unshare(2)."""
    _check(_libc.unshare(flags), "unshare")


def pivot_root(new_root):
    """Make `new_root` the root directory, and let the old one go.

    pivot_root(".", ".") stacks the old root over the new one, so that no directory has to be made
    for it; it is then detached from the working directory.
    """
    os.chdir(new_root)
    _check(_libc.syscall(_number(1), b".", b"."), f"pivot_root {new_root}")
    umount(".", MNT_DETACH)
    os.chdir("/")


def load_module(path):
    """finit_module(2); a module that is there already is fine."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.syscall(_number(0), fd, b"", 0), f"load module {path}")
    except FileExistsError:
        pass
    finally:
        os.close(fd)


def power_off():
    """End the (virtual!) machine that we are the init of.  Refuses to run as anything else."""
    if os.getpid() != 1:
        raise RuntimeError("power_off: not init")
    _check(_libc.reboot(ctypes.c_int(_RB_POWER_OFF)), "reboot")


def _die_with_parent(alive):
    """Be killed when the parent ends; `alive` is a pipe whose only writer is the parent.

    The pipe closes the gap before prctl: a parent in another PID namespace can't be asked for by
    getppid(), which says 0.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    poll = select.poll()
    poll.register(alive, 0)
    if poll.poll(0):
        os._exit(125)
    os.close(alive)


def _fork_init():
    """fork() a child that is PID 1 of a new PID namespace and can't outlive us.

    Our own later children are to be in our own namespace again, hence the setns.
    """
    reader, writer = os.pipe()
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    unshare(CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.close(here)
        for other in _lifelines.values():
            os.close(other)
        _die_with_parent(reader)
        return 0
    _check(_libc.setns(here, CLONE_NEWPID), "setns")
    os.close(here)
    os.close(reader)
    _lifelines[pid] = writer
    return pid


def _exit_code(status):
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _guarded(function):
    """Run `function` as the whole life of this process."""
    code = 124
    try:
        code = function() or 0
    except BaseException:  # pylint: disable=broad-except
        import traceback
        traceback.print_exc()
    finally:
        import sys
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(code)


def _init(setup, main):
    """Life of PID 1: set up, fork main, bury the dead until main has ended.

    When it ends the kernel kills all that is left in the PID namespace, and with the last process
    the mount namespace goes, with its mounts and (auto-clear) loop devices.
    """
    if setup is not None:
        setup()
    child = os.fork()
    if child == 0:
        _guarded(main)
    while True:
        pid, status = os.wait()
        if pid == child:
            return _exit_code(status)


def spawn(main, setup=None, net=False, stdout=None):
    """Run setup() and then main() in a PID, mount, UTS and IPC namespace of their own.

    setup() runs as PID 1, before main() is forked from it.  `net` adds a network namespace;
    `stdout` is a descriptor for standard output and error.  Returns the PID of the namespace's
    init, for reap() and kill(); kill -9 of it, or of the caller, ends everything inside.
    """
    pid = _fork_init()
    if pid:
        return pid

    def init():
        if stdout is not None:
            os.dup2(stdout, 1)
            os.dup2(stdout, 2)
        unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | (CLONE_NEWNET if net else 0))
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        return _init(setup, main)

    return _guarded(init)


def reap(pid, block=False):
    """Whether a process that spawn() returned has ended (waits for it if `block`)."""
    if os.waitpid(pid, 0 if block else os.WNOHANG) == (0, 0):
        return False
    os.close(_lifelines.pop(pid))
    return True


def kill(pid):
    """End a process that spawn() returned, and all inside."""
    os.kill(pid, signal.SIGKILL)
    reap(pid, block=True)


def kernel_mounts(fstype):
    """Whether the running kernel can mount `fstype` now."""
    with open("/proc/filesystems", encoding="ascii") as file:
        return any(line.split()[-1] == fstype for line in file)
