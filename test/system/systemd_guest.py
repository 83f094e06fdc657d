# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inside user-mode Linux: turn into a machine that systemd runs.  See systemd_uml.py.

Runs in the guest's init process, prepares a root directory and becomes systemd.
"""

import json
import os
import shutil
import stat
import subprocess
import sys

import rootfs
import sysns

# Units of no use in a guest without udev, network and logins; each would cost time.
_MASKED = """
systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket
systemd-udevd-kernel.socket systemd-hwdb-update.service systemd-update-utmp.service
systemd-update-utmp-runlevel.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
systemd-modules-load.service kmod-static-nodes.service dev-hugepages.mount dev-mqueue.mount
sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
sys-fs-fuse-connections.mount systemd-pstore.service systemd-random-seed.service
systemd-boot-system-token.service systemd-timesyncd.service systemd-sysusers.service
systemd-firstboot.service systemd-journal-catalog-update.service ldconfig.service
systemd-update-done.service systemd-machine-id-commit.service systemd-sysctl.service
systemd-network-generator.service systemd-ask-password-console.path
systemd-ask-password-wall.path systemd-remount-fs.service systemd-tmpfiles-setup-dev.service
systemd-pcrphase.service systemd-pcrphase-sysinit.service dbus.service dbus.socket
e2scrub_reap.service getty.target console-getty.service rsync.service modprobe@dm_mod.service
modprobe@loop.service modprobe@configfs.service modprobe@drm.service modprobe@fuse.service
modprobe@efi_pstore.service systemd-repart.service cryptsetup.target integritysetup.target
veritysetup.target swap.target systemd-tmpfiles-clean.timer
""".split()

_TARGET = """\
[Unit]
Description=All that the rig wants
Wants=local-fs.target sysinit.target basic.target {wants}
After=local-fs.target sysinit.target basic.target {wants}
AllowIsolate=yes
"""

# Type=exec: its job is done once it runs, so that the boot counts as finished meanwhile.
_SERVICE = """\
[Unit]
Description=The rig's script
After=rig.target

[Service]
Type=exec
ExecStart=/bin/sh /rig/run
StandardInput=null
"""

_RUN = """\
#!/bin/sh
exec >/dev/ttyS0 2>&1
cd /
/bin/bash /rig/script
echo "@@status $?"
sync
systemctl {end} >/dev/null 2>&1
"""


def put(path, text, mode=0o644):
    """Write a file and the directories above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def programs(root):
    """/usr as an overlay: the host's below, what the caller adds above."""
    os.makedirs(f"{root}/rig/upper")
    os.makedirs(f"{root}/rig/work")
    os.mkdir(f"{root}/usr")
    sysns.mount("overlay", f"{root}/usr", "overlay", 0,
                f"lowerdir=/usr,upperdir={root}/rig/upper,workdir={root}/rig/work")
    for name in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")


def kernel(root):
    """/proc, /sys with the EFI variables' directory, /dev, /run."""
    for name, fstype in (("proc", "proc"), ("sys", "sysfs"), ("dev", "devtmpfs"),
                         ("run", "tmpfs"), ("sys/firmware", "tmpfs")):
        os.makedirs(f"{root}/{name}", exist_ok=True)
        sysns.mount(fstype, f"{root}/{name}", fstype,
                    0, "mode=755" if fstype == "tmpfs" else None)
    os.makedirs(f"{root}/sys/firmware/efi/efivars")
    # A mount point, so that systemd does not try to mount the real thing on it.
    sysns.mount("tmpfs", f"{root}/sys/firmware/efi/efivars", "tmpfs", 0, "mode=755")


def disks(root, parts):
    """What udev would have left: links and its database.

    systemd makes device units of what its database tags "systemd", with or without a udevd, so
    that fstab can name the partitions as usual.
    """
    for part in parts:
        number = os.stat(f"/dev/{part['node']}").st_rdev
        name = f"b{os.major(number)}:{os.minor(number)}"
        links = [f"disk/by-partuuid/{part['uuid']}", f"disk/by-partlabel/{part['label']}"]
        for link in links:
            os.makedirs(os.path.dirname(f"{root}/dev/{link}"), exist_ok=True)
            os.symlink(f"../../{part['node']}", f"{root}/dev/{link}")
        put(f"{root}/run/udev/data/{name}", "".join(
            [f"S:{link}\n" for link in links] + [
                "I:1\n", f"E:ID_PART_ENTRY_UUID={part['uuid']}\n", "E:ID_FS_TYPE=vfat\n",
                "G:systemd\n", "Q:systemd\n", "V:1\n"]))
        put(f"{root}/run/udev/tags/systemd/{name}", "")
    put(f"{root}/run/udev/control", "")  # its presence says that udev is at work


def units(root, job):
    """Our target and service, and the masks."""
    top = f"{root}/etc/systemd/system"
    put(f"{top}/rig.target", _TARGET.format(wants=" ".join(job["wants"])))
    put(f"{top}/rig.service", _SERVICE)
    os.makedirs(f"{top}/rig.target.wants")
    os.symlink("/etc/systemd/system/rig.service", f"{top}/rig.target.wants/rig.service")
    for name in _MASKED:
        if name not in job["wants"]:
            os.symlink("/dev/null", f"{top}/{name}")
    os.makedirs(f"{root}/etc/systemd/system-generators")
    for name in os.listdir("/usr/lib/systemd/system-generators"):
        if name != "systemd-fstab-generator":  # the others have nothing to do, slowly
            os.symlink("/dev/null", f"{root}/etc/systemd/system-generators/{name}")
    put(f"{root}/etc/systemd/journald.conf.d/rig.conf", "[Journal]\nRateLimitBurst=0\n")
    put(f"{root}/rig/script", job["script"])
    put(f"{root}/rig/run", _RUN.format(end=job["end"]))


def etc(root, job):
    """/etc: the rig's usual one, and what the caller gave."""
    rootfs.private_etc(root)
    put(f"{root}/etc/machine-id", job["machine_id"] + "\n")
    put(f"{root}/etc/fstab", job["fstab"])


def overlay(root, job):
    """The caller's files, over everything."""
    if job["overlay"]:
        shutil.copytree(job["overlay"], root, symlinks=True, dirs_exist_ok=True)
    for path, text in job["files"].items():
        put(root + path, text, 0o755 if text.startswith("#!") else 0o644)
    for name, data in job["efivars"].items():
        with open(f"{root}/sys/firmware/efi/efivars/{name}", "wb") as file:
            file.write(bytes.fromhex(data))
    for unit in job["enable"]:
        subprocess.run(["systemctl", "-q", f"--root={root}", "enable", unit], check=True)


def become_systemd(root):
    """Never returns."""
    sysns.pivot_root(root)
    console = os.open("/dev/console", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(console, fd)
    os.closerange(3, 256)
    os.execve("/lib/systemd/systemd", ["/lib/systemd/systemd", "--unit=rig.target"],
              {"PATH": "/usr/sbin:/usr/bin"})


def main():
    """Prepare, then become systemd."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    root = "/run"  # any directory: all that matters of the old root is /usr and the overlay
    sysns.mount("root", root, "tmpfs", 0, "mode=755")
    for name in ("rig", "tmp", "var/lib", "var/log", "var/tmp", "root", "home", "mnt"):
        os.makedirs(f"{root}/{name}")
    for name in ("tmp", "var/tmp"):
        os.chmod(f"{root}/{name}", stat.S_ISVTX | 0o777)
    os.symlink("/run", f"{root}/var/run")
    programs(root)
    kernel(root)
    etc(root, job)
    units(root, job)
    disks(root, job["parts"])
    for path in job["directories"]:
        os.makedirs(root + path, exist_ok=True)
    overlay(root, job)
    become_systemd(root)


main()
