# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernels, entries and boot loaders on the ESPs, made as kernel-install and bootctl make them."""

import os
import re
import shutil

from trees import write, write_random


class Kernels:
    """The part of Machine that installs and removes kernels."""

    def kernel_steps(self, version, where=None, token=None, initrd_mb=2, linux_mb=1, entry=True,
                     counter=None, seed=0):
        """What `kernel-install add` does, as a generator: each next() does one step and yields its
        name: "modules", "directory", "linux", "initrd", "entry"."""
        where, token = where or self.boot_dir(), token or self.token
        os.makedirs(f"/lib/modules/{version}", exist_ok=True)
        yield "modules"
        directory = f"{where}/{token}/{version}"
        os.makedirs(directory, exist_ok=True)
        yield "directory"
        write_random(f"{directory}/linux", linux_mb, (seed, version, "linux"))
        yield "linux"
        write_random(f"{directory}/initrd.img-{version}", initrd_mb, (seed, version, "initrd"))
        yield "initrd"
        if entry:
            suffix = "" if counter is None else f"+{counter}"
            self.write_entry(f"{token}-{version}{suffix}.conf", where, version=version,
                             token=token)
            yield "entry"

    def add_kernel(self, version, where=None, token=None, initrd_mb=2, linux_mb=1, entry=True,
                   counter=None, seed=0):
        """Install a kernel as kernel-install does: straight to final names, the entry last.

        `where` is boot_dir() by default; `counter` 3 gives …+3.conf, "2-1" gives …+2-1.conf;
        another `seed` gives other content.  Returns the payload directory.
        """
        where, token = where or self.boot_dir(), token or self.token
        for _ in self.kernel_steps(version, where, token, initrd_mb, linux_mb, entry, counter,
                                   seed):
            pass
        return f"{where}/{token}/{version}"

    def write_entry(self, name, where=None, version="6.1.0", token=None, text=None):
        """A Type #1 entry file in the form that kernel-install writes; or with `text` as it is."""
        where, token = where or self.boot_dir(), token or self.token
        payload = f"/{token}/{version}"
        path = f"{where}/loader/entries/{name}"
        write(path, text if text is not None else (
            f"# Boot Loader Specification type#1 entry\n"
            f"title      Rig GNU/Linux\n"
            f"version    {version}\n"
            f"machine-id {self.machine_id}\n"
            f"sort-key   rig\n"
            f"options    root=UUID=c0ffee00-0000-4000-8000-000000000000 ro quiet\n"
            f"linux      {payload}/linux\n"
            f"initrd     {payload}/initrd.img-{version}\n"))
        return path

    def remove_kernel(self, version, where=None, token=None, modules=True):
        """Remove a kernel as kernel-install does: the entry, its payload, then the modules."""
        where, token = where or self.boot_dir(), token or self.token
        for path in self.entries(version, where, token):
            os.unlink(path)
        shutil.rmtree(f"{where}/{token}/{version}", ignore_errors=True)
        self.remove_uki(version, where, token)
        if modules:
            shutil.rmtree(f"/lib/modules/{version}", ignore_errors=True)

    def entries(self, version=None, where=None, token=None):
        """Paths of the Type #1 entries of one version, or of all, whatever their counter."""
        where, token = where or self.boot_dir(), token or self.token
        return _matching(f"{where}/loader/entries", token, version, ".conf")

    def add_uki(self, version, token=None, where=None, counter=None, mb=2, seed=0):
        """Install a unified kernel image; returns its path."""
        where, token = where or self.boot_dir(), token or self.token
        os.makedirs(f"/lib/modules/{version}", exist_ok=True)
        suffix = "" if counter is None else f"+{counter}"
        path = f"{where}/EFI/Linux/{token}-{version}{suffix}.efi"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_random(path, mb, (seed, version, "uki"))
        return path

    def remove_uki(self, version, where=None, token=None):
        """Remove it again, whatever its counter."""
        where, token = where or self.boot_dir(), token or self.token
        for path in _matching(f"{where}/EFI/Linux", token, version, ".efi"):
            os.unlink(path)

    def skeleton(self, x):
        """What a boot loader's installation, and another system, leave on an ESP."""
        top = self.esp(x)
        for path in ("loader/entries", "EFI/Linux"):
            os.makedirs(f"{top}/{path}", exist_ok=True)
        for path in ("EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI",
                     "EFI/Microsoft/Boot/bootmgfw.efi"):
            os.makedirs(os.path.dirname(f"{top}/{path}"), exist_ok=True)
            write_random(f"{top}/{path}", 0.1, ("loader", path))
        write_random(f"{top}/loader/random-seed", 32 / (1 << 20), ("random-seed", x))


def _matching(directory, token, version, suffix):
    """Files TOKEN-VERSION[+L[-D]]SUFFIX; of any version if that is None."""
    middle = r"[^/]+?" if version is None else re.escape(version)
    pattern = re.compile(rf"{re.escape(token)}-{middle}(\+\d+(-\d+)?)?{re.escape(suffix)}")
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [f"{directory}/{name}" for name in names if pattern.fullmatch(name)]
