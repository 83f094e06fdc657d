#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The unit, its catalog and its installation: unit_test.py --build BUILD_DIR.

What is installed is booted with systemd as PID 1 in user-mode Linux, with vfat ESPs: once with two
disks and a whole life up to the shutdown (unit_guest.py has its checks), once without the second
disk.  Before that, without a boot: what gets installed and removed again, what systemd-analyze says
of the unit, whether the catalog has an entry for each message.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import uml                                          # noqa: E402
from systemd_uml import MACHINE_ID, START, Boot     # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
UNIT = "bootsyncd.service"
EXPOSURE_MAX = 0.9
QUICK = "[ESP]\nBindTimeoutSec=2s\n[Mirror]\nDebounceSec=100ms\nMaxDelaySec=1s\n"

# A call that the filter does not know ends the daemon here, so that no such failure goes unseen;
# and nobody wants to wait 5 s for each of its restarts.
DROP_IN = """\
[Unit]
StartLimitBurst=50
[Service]
SystemCallErrorNumber=kill
RestartSec=200ms
"""

PROBE = """\
[Unit]
DefaultDependencies=no
After=local-fs.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'findmnt -n -o FSTYPE,SOURCE /boot >/run/probe || true'
"""

SCRIPT = "exec /usr/bin/python3 -SEB /rig/unit_guest.py {}\n"

failures = []


def check(condition, what, detail=""):
    """Note a failure and go on."""
    print(f"ok {what}" if condition else f"FAIL {what}: {detail}", flush=True)
    if not condition:
        failures.append(what)


def run(*command, status=0, **environment):
    """Run a command; its output, both streams."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **environment}
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False, env=env)
    if status is not None and result.returncode != status:
        check(False, f"{' '.join(command)} ends with {status}", result.stdout)
    return result.stdout


def read(path):
    """The text of a file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    """Write a file, and the directories above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# -- without a boot

def installed(top):
    """Paths of all files below a directory, and of directories that bear our name."""
    found = []
    for directory, directories, names in os.walk(top):
        found += [f"{directory}/{name}" for name in names]
        found += [f"{directory}/{name}/" for name in directories if "bootsync" in name]
    return sorted(path[len(top):] for path in found)


def test_install(build, top):
    """Installs below `top`, removes it again, and leaves it installed."""
    run("cmake", "--install", build, DESTDIR=top)
    names = [path.rsplit("/", 1)[-1] for path in installed(top) if not path.endswith("/")]
    check(sorted(names) == ["bootsync.catalog", "bootsync.conf", "bootsync.conf.5", "bootsyncd",
                            "bootsyncd.8", UNIT], "what is installed", installed(top))
    check("/etc/bootsync/bootsync.conf" in installed(top), "the configuration is below /etc",
          installed(top))
    run("cmake", "--build", build, "--target", "uninstall", DESTDIR=top)
    check(installed(top) == [], "uninstall leaves nothing", installed(top))

    run("cmake", "--install", build, DESTDIR=top)
    conf = f"{top}/etc/bootsync/bootsync.conf"
    write(conf, "[Log]\nLevel=debug\n")
    run("cmake", "--build", build, "--target", "uninstall", DESTDIR=top)
    check(installed(top) == ["/etc/bootsync/", "/etc/bootsync/bootsync.conf"],
          "uninstall keeps changed settings", installed(top))
    run("cmake", "--install", build, DESTDIR=top)


def find(top, name):
    """The path of an installed file."""
    return top + next(path for path in installed(top) if path.endswith(f"/{name}"))


def test_unit(top):
    """What systemd-analyze says."""
    unit = find(top, UNIT)
    daemon = find(top, "bootsyncd")[len(top):]
    check(f"\nExecStart={daemon} run\n" in read(unit) and
          f"\nExecStartPre=-+{daemon} bind\n" in read(unit), "it names the installed program")
    text = run("systemd-analyze", "security", "--offline=true", unit)
    figure = re.search(r"exposure level for \S+: ([0-9.]+)", text)
    check(figure and float(figure[1]) <= EXPOSURE_MAX, f"exposure is at most {EXPOSURE_MAX}", text)
    print(f"   exposure {figure[1] if figure else '?'}")
    lines = [line for line in run("systemd-analyze", "verify", "--man=no", unit,
                                  status=None).split("\n")
             if UNIT in line and "is not executable" not in line]
    check(not lines, "systemd-analyze verify finds nothing", lines)


def test_root(scratch):
    """The unit for another ROOT names its mounts as systemd does."""
    for root in ("/boot/efi", "/.a-b/c+d_e.f"):
        run("cmake", "-S", TOP, "-B", f"{scratch}/root", f"-DBOOTSYNC_ROOT={root}",
            "-DBUILD_TESTING=OFF")
        text = read(f"{scratch}/root/systemd/{UNIT}")
        names = run("systemd-escape", "-p", "--suffix=mount", root,
                    *(f"{root}@{x}" for x in "abcdefghijklmnopqrstuvwxyz")).strip()
        check(f"\nAfter={names}\n" in text, f"mount units of {root}", names)
        paths = " ".join(f"-{root}@{x}" for x in "abcdefghijklmnopqrstuvwxyz")
        check(f"\nReadWritePaths={paths}\n" in text, f"writable paths of {root}", paths)
    for root in ("boot", "/", "/boot/", "/bo%t", "/a b", "/a/../b"):
        text = run("cmake", "-S", TOP, "-B", f"{scratch}/root", f"-DBOOTSYNC_ROOT={root}",
                   status=1)
        check("BOOTSYNC_ROOT" in text, f"ROOT '{root}' is refused", text)


def messages():
    """{message id: level} of daemon/messages.c."""
    text = read(f"{TOP}/daemon/messages.c")
    return {found[2]: found[1] for found in
            re.finditer(r'\b(LOG_[A-Z]+), "[a-z-]+",\s*"([0-9a-f]{32})"', text)}


def test_catalog(top, scratch):
    """An entry for each message of level notice or worse, which journalctl accepts."""
    text = read(find(top, "bootsync.catalog"))
    entries = dict(re.findall(r"(?ms)^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", text))
    wanted = {x for x, level in messages().items() if level not in ("LOG_INFO", "LOG_DEBUG")}
    check(len(wanted) > 50, "messages.c was understood", len(wanted))
    check(set(entries) == wanted and len(entries) == len(re.findall("(?m)^-- ", text)),
          "one entry for each message", set(entries) ^ wanted)
    for name, entry in entries.items():
        head, _, body = entry.partition("\n\n")
        good = re.match(r"Subject: \S.*\nDefined-By: bootsync\n", head) and \
            len([part for part in body.strip().split("\n\n")
                 if part and not part.startswith("#")]) >= 2
        fields = set(re.findall("@([A-Z_]+)@", entry))
        if not good or not fields <= {"BOOTSYNC_ESP", "BOOTSYNC_PATH"}:
            check(False, f"entry {name} says what, why and what to do", entry)
    os.makedirs(f"{scratch}/catalog/usr/lib/systemd/catalog")
    os.makedirs(f"{scratch}/catalog/var/lib/systemd/catalog")
    shutil.copy(find(top, "bootsync.catalog"), f"{scratch}/catalog/usr/lib/systemd/catalog")
    output = run("journalctl", f"--root={scratch}/catalog", "--update-catalog")
    listed = run("journalctl", f"--root={scratch}/catalog", "--list-catalog").strip().split("\n")
    check(output == "" and len(listed) == len(wanted), "journalctl takes all of them", output)


# -- with systemd

def mtools(boot, x, command, *words, status=0):
    """Run an mtools command on the ESP of a disk."""
    return run(command, "-i", f"{boot.image(x)}@@{START * 512}", *words, status=status)


def furnish(boot, scratch):
    """A boot loader and a kernel on ESP A."""
    version = f"{MACHINE_ID}/99.0.0"
    write(f"{scratch}/esp/{version}/linux", "linux")
    write(f"{scratch}/esp/{version}/initrd", "initrd")
    write(f"{scratch}/esp/loader/entries/{MACHINE_ID}-99.0.0.conf",
          f"title Rig\nversion 99.0.0\nlinux /{version}/linux\ninitrd /{version}/initrd\n")
    mtools(boot, "a", "mcopy", "-s", f"{scratch}/esp/{MACHINE_ID}", f"{scratch}/esp/loader", "::")
    shutil.rmtree(f"{scratch}/esp")


def booted(top, **options):
    """A machine with what is installed below `top`."""
    os.makedirs(f"{top}/usr/lib/modules/99.0.0", exist_ok=True)
    files = {"/rig/unit_guest.py": read(f"{HERE}/unit_guest.py"),
             "/etc/bootsync/bootsync.conf.d/test.conf": QUICK,
             f"/etc/systemd/system/{UNIT}.d/test.conf": DROP_IN,
             "/etc/systemd/system/probe.service": PROBE}
    return Boot(overlay=top, files=files, enable=[UNIT], wants=["probe.service"], **options)


def report(result):
    """The guest's own lines, and how it ended."""
    for line in result.output.split("\n"):
        if line.startswith("FAIL "):
            failures.append(line)
    print(result.output)
    check(result.status == 0, f"the boot's checks ({result.seconds:.1f} s)",
          f"status {result.status}\n{result.console if result.status is None else ''}")


def test_life(top, scratch):
    """Two disks, from the boot to the shutdown."""
    with booted(top, end="poweroff") as boot:
        furnish(boot, scratch)
        report(boot.run(SCRIPT.format("life")))
        path = f"::/{MACHINE_ID}/99.9.0/linux"
        check(mtools(boot, "b", "mtype", path, status=None) == "99.9.0" * 100,
              "what was pending at the shutdown is on B", mtools(boot, "b", "mdir", "-/", "-b"))
        entry = f"::/loader/entries/{MACHINE_ID}-99.9.0.conf"
        check("\nversion 99.9.0\n" in mtools(boot, "b", "mtype", entry, status=None),
              "with its entry")


def test_alone(top, scratch):
    """One disk."""
    with booted(top, attached="a") as boot:
        furnish(boot, scratch)
        report(boot.run(SCRIPT.format("alone")))


def main(argv):
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, metavar="DIR", help="build directory")
    build = os.path.abspath(parser.parse_args(argv).build)
    with tempfile.TemporaryDirectory(prefix="bootsync-unit-") as scratch:
        top = f"{scratch}/top"
        os.mkdir(top)
        test_install(build, top)
        test_unit(top)
        test_catalog(top, scratch)
        test_root(scratch)
        if uml.kernel() is None:
            check(False, "there is a linux.uml here (Debian: user-mode-linux)")
        else:
            test_life(top, scratch)
            test_alone(top, scratch)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
