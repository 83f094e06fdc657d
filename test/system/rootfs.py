# SPDX-License-Identifier: LGPL-2.1-or-later
"""The root directory of a throw-away machine: made by PID 1 of its namespaces before all else.

A tmpfs takes the root's place.  The host's programs are seen read-only in it; whatever a program
could change is private.  The host's /boot, /run, /var, /etc and device tree can't be reached.
"""

import os
import shutil
import stat
import sys

import sysns

# Where the tmpfs is made before it becomes the root: any directory that hides nothing we bind.
_STAGES = ("/mnt", "/media", "/srv", "/opt", "/run")

_NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
          "tty": (5, 0), "loop-control": (10, 237), "mapper/control": (10, 236)}

_ETC = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
        "localtime", "os-release", "mke2fs.conf")


def _inside(path, directory):
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def stage(paths):
    """A directory that can be covered without hiding any of `paths`."""
    for directory in _STAGES:
        if os.path.isdir(directory) and not any(_inside(path, directory) for path in paths):
            return directory
    raise RuntimeError(f"no directory to build the machine's root at: tried {_STAGES}")


def _system(root):
    """/usr, and the names that lead into it."""
    os.mkdir(f"{root}/usr")
    sysns.bind("/usr", f"{root}/usr", readonly=True, recursive=True)
    for name in ("bin", "sbin", "lib64", "lib32", "libx32"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
    # /lib is a directory of links, so that /lib/modules can be the machine's own.
    os.makedirs(f"{root}/lib/modules")
    for name in os.listdir("/usr/lib"):
        if name != "modules":
            os.symlink(f"/usr/lib/{name}", f"{root}/lib/{name}")


def private_etc(root):
    """A small /etc of its own, from the parts of the host's that programs need."""
    os.mkdir(f"{root}/etc")
    for name in _ETC:
        source, target = f"/etc/{name}", f"{root}/etc/{name}"
        if os.path.isdir(source):
            shutil.copytree(source, target, symlinks=True)
        elif os.path.lexists(source):
            shutil.copy2(source, target, follow_symlinks=not os.path.islink(source))
    if os.path.isdir("/etc/alternatives"):
        _bind_same(root, "/etc/alternatives", True)
    os.symlink("/proc/self/mounts", f"{root}/etc/mtab")
    for name, text in (("hostname", "rig\n"), ("fstab", "")):
        with open(f"{root}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _dev(root):
    dev = f"{root}/dev"
    os.mkdir(dev)
    sysns.mount("tmpfs", dev, "tmpfs", sysns.MS_NOSUID, "mode=755")
    for name in ("pts", "shm", "mapper", "disk/by-partuuid"):
        os.makedirs(f"{dev}/{name}")
    old = os.umask(0)
    for name, (major, minor) in _NODES.items():
        os.mknod(f"{dev}/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
    os.umask(old)
    sysns.mount("devpts", f"{dev}/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"),
                         ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{dev}/{name}")


def _kernel(root):
    os.mkdir(f"{root}/proc")
    sysns.mount("proc", f"{root}/proc", "proc")
    os.mkdir(f"{root}/sys")
    sysns.mount("sysfs", f"{root}/sys", "sysfs", sysns.MS_RDONLY)
    sysns.mount("tmpfs", f"{root}/sys/firmware", "tmpfs", 0, "mode=755")
    os.makedirs(f"{root}/sys/firmware/efi/efivars")
    # The links by device number are private too, so that a disk can seem pulled.
    links = {name: os.readlink(f"/sys/dev/block/{name}") for name in os.listdir("/sys/dev/block")}
    sysns.mount("tmpfs", f"{root}/sys/dev/block", "tmpfs", 0, "mode=755")
    for name, target in links.items():
        os.symlink(target, f"{root}/sys/dev/block/{name}")


def _bind_same(root, path, readonly):
    os.makedirs(root + path, exist_ok=True)
    sysns.bind(path, root + path, readonly=readonly)


def enter(readonly=(), writable=()):
    """Make the root and move into it.  To be called in a mount and PID namespace of our own.

    `readonly` and `writable` are directories that keep their absolute paths.
    """
    readonly = [os.path.realpath(path) for path in readonly]
    writable = [os.path.realpath(path) for path in writable]
    prefix = os.path.realpath(sys.base_prefix)
    if not _inside(prefix, "/usr"):
        readonly.append(prefix)
    readonly = [path for path in readonly if not _inside(path, "/usr")]
    root = stage(readonly + writable)
    sysns.mount("machine", root, "tmpfs", 0, "mode=755")
    _system(root)
    private_etc(root)
    _dev(root)
    for name in ("run", "tmp", "var/lib", "var/log", "var/tmp", "root", "home", "rig"):
        os.makedirs(f"{root}/{name}")
    for name in ("tmp", "var/tmp"):
        os.chmod(f"{root}/{name}", 0o1777)
    sysns.mount("tmpfs", f"{root}/run", "tmpfs", sysns.MS_NOSUID, "mode=755")
    os.makedirs(f"{root}/run/udev/data")
    os.symlink("/run", f"{root}/var/run")
    for path in readonly:
        _bind_same(root, path, True)
    for path in writable:
        _bind_same(root, path, False)
    _kernel(root)
    sysns.pivot_root(root)
    os.environ["HOME"], os.environ["TMPDIR"] = "/root", "/tmp"
