#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Show the daemon at work on three throw-away vfat ESPs, at a pace that a person can follow.

Called by test/demo.sh.  All of it happens in a machine of its own (machine.py), inside user-mode
Linux where the running kernel has no vfat, and vanishes with it.  Exit status 0 says that every
act ended as it should, and that the ESPs were equal at the end.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import sysns  # noqa: E402
import uml    # noqa: E402

UML_SLOW = "4"  # as in run.py
WIDTH = 78
COLOURS = {"head": "1;36", "command": "1", "log": "34", "warning": "33", "error": "31",
           "same": "32", "differs": "1;31", "dim": "2"}

# The defaults, but for shorter waits: a demonstration has no time for two seconds of quiet.
CONFIG = """\
[Mirror]
DebounceSec={debounce}
"""

ENTRY_TOKEN = "demo"  # a short one, for short paths


def arguments(argv):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--fast", action="store_true", help="no pauses")
    parser.add_argument("--colour", choices=["yes", "no"], help="default: on a terminal only")
    parser.add_argument("binary", help="the program")
    return parser.parse_args(argv)


def digits(number):
    """A size for people, at most seven characters."""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number} B"


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Screen:
    """What is seen: paced, and coloured if that is wanted."""

    def __init__(self, fast, colour):
        self.fast, self.colour = fast, colour
        self.daemon, self._shown, self._acts = None, 0, 0

    def paint(self, text, kind):
        """The text in the colour of its kind."""
        return f"\033[{COLOURS[kind]}m{text}\033[0m" if self.colour else text

    def say(self, text="", kind=None):
        """One line."""
        print(self.paint(text, kind) if kind else text, flush=True)

    def act(self, title, text):
        """A headline, and what there is to see."""
        self._acts += 1
        head = f"== {self._acts}. {title} "
        self.say()
        self.say(head.ljust(WIDTH, "="), "head")
        for line in textwrap.wrap(text, WIDTH - 3):
            self.say(f"   {line}")
        self.pause(1)

    def command(self, text):
        """What an administrator would type."""
        self.say(f"# {text}", "command")
        self.pause(0.5)

    def log(self):
        """What the daemon has said since the last call."""
        lines = self.daemon.log if self.daemon else []
        while self._shown < len(lines):
            level = lines[self._shown].split(":")[0]
            kind = {"warning": "warning", "error": "error", "critical": "error"}.get(level, "log")
            self.words(lines[self._shown], kind)
            self._shown += 1

    def words(self, line, kind="log"):
        """One line of the program's, which may take several of ours."""
        for part in textwrap.wrap(line, WIDTH - 7, break_on_hyphens=False) or [""]:
            self.say(f"  log| {part}", kind)

    def pause(self, seconds):
        """Time to read; what the daemon says meanwhile is shown."""
        self.wait(0 if self.fast else seconds)

    def wait(self, seconds):
        """Time that has to pass in any case."""
        end = time.monotonic() + seconds
        while True:
            self.log()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def until(self, predicate, what):
        """Show the log until predicate() is true."""
        from watching import wait_until

        def asked():
            self.log()
            return predicate()
        wait_until(asked, 15, what, step=0.1)
        self.wait(0.2)


class Show:
    """The machine, and the acts."""

    def __init__(self, machine, screen):
        from machine import expect, tree
        self.m, self.screen, self.expect, self._tree = machine, screen, expect, tree
        machine.token = ENTRY_TOKEN
        self._foreign = {}

    # -- what is on the ESPs

    def split(self, x):
        """The files of ESP `x`: ({path: (size, digest)} of this system's, the same of others)."""
        if self.m.esp(x) not in self.m.mounts():
            return None, None
        ours, others = {}, {}
        for path, (kind, size, sha256) in self._tree(self.m.esp(x)).items():
            if kind != "d":
                mine = any(path.startswith(prefix) for prefix in self.m.scope())
                (ours if mine else others)[path] = (size, sha256)
        return ours, others

    def cell(self, files, source, path):
        """One file on one ESP, as (text, kind)."""
        if files is None:
            return " not mounted", "warning"
        here = files.get(path)
        text = f"{digits(here[0])} {here[1][:6]}" if here else "-"
        return (f" {text}", "same") if here == source.get(path) else (f"!{text}", "differs")

    def table(self):
        """The ESPs side by side, and the line of systemctl status."""
        say, esps = self.screen.say, {x: self.split(x) for x in "abc"}
        source = esps["a"][0]
        paths = sorted({path for ours, _ in esps.values() for path in ours or ()})
        say()
        say("  " + " " * 30 + "".join(f" {' ' + self.m.esp(x):<14}" for x in "abc"), "command")
        for path in paths:
            cells = [self.cell(ours, source, path) for ours, _ in esps.values()]
            say(f"  {path:<30}" + "".join(
                " " + self.screen.paint(f"{text:<14}", kind) for text, kind in cells))
        say("  " + f"{'(files of others)':<30}" + "".join(
            f"  {self.summary(others):<13}" for _, others in esps.values()), "dim")
        if self.screen.daemon and self.screen.daemon.status:
            for line in self.screen.daemon.status.split("; "):
                say(f"  status: {line}", "dim")
        say()
        self.screen.pause(1.2)

    @staticmethod
    def summary(files):
        """All that is not ours, in one cell."""
        if files is None:
            return "not mounted"
        listing = repr(sorted(files.items())).encode()
        return f"{len(files)} {hashlib.sha256(listing).hexdigest()[:6]}"

    # -- waiting

    def mirrored(self, targets="bc"):
        """Wait until these ESPs hold what the source holds, and the daemon says so."""
        from trees import differences

        def same():
            return not any(differences(self.m.esp("a"), self.m.esp(x), self.m.scope())
                           for x in targets)

        def said():
            return all(f"{self.m.esp(x)} in sync" in self.screen.daemon.status for x in targets)

        self.screen.until(same, f"the ESPs {targets} are equal to a")
        self.screen.until(said, f"the status line says that {targets} are in sync")

    def install(self, version):
        """kernel-install add: its steps, in its order."""
        self.screen.command(f"kernel-install add {version} /lib/modules/{version}/vmlinuz")
        names = {"directory": "", "linux": "/linux", "initrd": f"/initrd.img-{version}"}
        for step in self.m.kernel_steps(version, initrd_mb=6, linux_mb=2):
            if step in names:
                self.screen.say(f"  + /boot/{ENTRY_TOKEN}/{version}{names[step]}")
            elif step == "entry":
                self.screen.say(f"  + /boot/loader/entries/{ENTRY_TOKEN}-{version}.conf")
            self.screen.pause(0.2)

    # -- the acts

    def prepare(self):
        """Three disks with a boot loader each; two kernels on the first one only."""
        m, fast = self.m, self.screen.fast
        os.makedirs("/etc/kernel")
        for path, text in (("/etc/kernel/entry-token", ENTRY_TOKEN + "\n"),
                           ("/etc/bootsync/bootsync.conf",
                            CONFIG.format(debounce="300ms" if fast else "800ms"))):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        for x in "abc":
            m.skeleton(x)
        for version in ("6.9.1", "6.9.2"):
            m.add_kernel(version, where=m.esp("a"), initrd_mb=6, linux_mb=2)
        self._foreign = {x: self.split(x)[1] for x in "abc"}

    def start(self):
        """Bind and first fill."""
        self.screen.act("Start", "Three disks, each with a boot loader. The machine was booted "
                                 "from the first; kernels are on that one only.")
        self.table()
        self.screen.command("systemctl start bootsyncd")
        self.screen.daemon = self.m.start()
        self.mirrored()
        self.expect(self.m.bound() == "a", "the booted ESP is not bound to /boot")
        self.table()

    def add(self):
        """A new kernel."""
        self.screen.act("A kernel is installed", "The daemon waits until all is quiet; then "
                                                 "payload goes first, the entry last.")
        self.install("6.9.3")
        self.mirrored()
        self.table()

    def refresh(self):
        """An initrd is written anew, slowly, under its old name."""
        self.screen.act("An initrd is refreshed in place",
                        "It is written piece by piece, with gaps longer than DebounceSec=: no "
                        "half file is ever copied.")
        path = f"/boot/{ENTRY_TOKEN}/6.9.3/initrd.img-6.9.3"
        copies = [path.replace("/boot/", f"{self.m.esp(x)}/") for x in "bc"]
        before = [digest(copy) for copy in copies]
        self.screen.command(f"dracut --force {path} 6.9.3")
        with open(path, "wb", buffering=0) as file:
            for piece in range(3):
                file.write(bytes([piece + 1]) * 2_500_000)
                self.screen.say(f"  ~ {path}: {digits(file.tell())}")
                self.screen.wait(0.5 if self.screen.fast else 1)
                self.expect([digest(copy) for copy in copies] == before,
                            "a file that is open for writing was copied")
        self.mirrored()
        self.table()

    def remove(self):
        """The oldest kernel goes."""
        self.screen.act("A kernel is removed", "On the others its entry goes first, so that no "
                                               "entry ever names what is gone.")
        self.screen.command("kernel-install remove 6.9.1")
        self.m.remove_kernel("6.9.1")
        self.mirrored()
        self.table()

    def pull(self):
        """A secondary goes, and work goes on."""
        self.screen.act("The third disk goes",
                        "It is said, the second one is still served, and nothing is written to "
                        "the empty directory that /boot@c is now.")
        self.screen.command("umount /boot@c")
        self.m.umount("c")
        self.screen.until(lambda: "/boot@c not mounted" in self.screen.daemon.status,
                          "the status line says that c is not mounted")
        self.screen.pause(1)
        self.install("6.9.4")
        self.mirrored("b")
        self.expect(os.listdir("/boot@c") == [], "something was written below /boot@c")
        self.table()

    def plug(self):
        """It comes back."""
        self.screen.act("The third disk comes back", "It is brought up to date by itself.")
        self.screen.command("mount /boot@c")
        self.m.mount("c")
        self.mirrored()
        self.table()

    def typo(self):
        """A mistake in the configuration changes nothing."""
        self.screen.act("A typo in the configuration",
                        "It is named with its file and line; the old settings stay in force, all "
                        "of them.")
        for value, answer in (("1o min", "settings in force stay"), ("10min", "read again")):
            self.screen.command("editor /etc/bootsync/bootsync.conf.d/10-scan.conf")
            self.screen.say("  [Mirror]")
            self.screen.say(f"  RescanIntervalSec={value}")
            self.screen.command("systemctl reload bootsyncd")
            self.m.dropin(f"[Mirror]\nRescanIntervalSec={value}\n", "10-scan")
            before = self.screen.daemon.mark()
            self.screen.daemon.reload()
            self.screen.daemon.wait_log(answer, after=before)
            self.screen.pause(1.5)

    def stop(self):
        """A change right before the stop."""
        self.screen.act("Stop, right behind a change",
                        "As in `dnf upgrade && reboot`: what is pending is mirrored before the "
                        "daemon ends.")
        entry = f"/boot/loader/entries/{ENTRY_TOKEN}-6.9.4.conf"
        edit = f"sed -i 's/ quiet//' {entry}"
        self.screen.command(edit)
        self.screen.command("systemctl stop bootsyncd")
        self.m.shell(edit)
        status = self.screen.daemon.stop()
        self.screen.log()
        self.expect(status == 0, f"the daemon ended with status {status}")
        self.table()

    def verify(self):
        """What a doubter would do now."""
        self.screen.act("Is it true?", "All files are read and compared, by this script and by "
                                       "the program.")
        self.screen.command("bootsyncd diff; echo $?")
        result = self.m.run("diff")
        for line in (result.stdout + result.stderr).splitlines():
            self.screen.words(line)
        self.screen.say(f"{result.status}")
        self.expect(result.status == 0, "the program still sees differences")
        self.m.assert_mirrored("b", "c")
        for x in "abc":
            self.expect(self.split(x)[1] == self._foreign[x], f"others' files on {x} changed")
            self.expect(not [path for path in self.split(x)[0] if ".bootsync-" in path],
                        f"a temporary file was left on {x}")
        self.screen.say()
        self.screen.say("The three ESPs hold the same kernels, initrds and entries.", "same")
        self.screen.say("The files of others are as they were, and nothing else is there.", "same")

    def run(self):
        """All of it."""
        self.prepare()
        for act in (self.start, self.add, self.refresh, self.remove, self.pull, self.plug,
                    self.typo, self.stop, self.verify):
            act()


INTRO = """\
bootsyncd on three throw-away ESPs with real vfat, in {place}.
No systemd runs in here: systemctl start, reload and stop stand for a start of
the program, SIGHUP and SIGTERM; kernel-install and dracut for what they do.
Tables: size and first digits of the SHA-256; ! where a mirror differs from a."""


def perform(options):
    """Inside the machine; returns the exit status."""
    from machine import Machine
    screen = Screen(options.fast, options.colour == "yes")
    begin, failures = time.monotonic(), []
    os.environ["BOOTSYNCD"] = options.binary
    machine = Machine(esps="abc", fs="vfat")
    try:
        own = machine.own_kernel
        screen.say(INTRO.format(place="user-mode Linux" if own else "private namespaces"))
        screen.pause(2)
        Show(machine, screen).run()
    except AssertionError as failure:
        failures.append(str(failure))
        screen.log()
    failures += machine.close()
    if failures:
        print(machine.report())
    for failure in failures:
        screen.say(f"FAILED: {failure}", "error")
    screen.say(f"({time.monotonic() - begin:.0f} s)", "dim")
    return 1 if failures else 0


def vfat_here():
    """Whether the running kernel can mount vfat."""
    if not sysns.kernel_mounts("vfat") and shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "vfat"], check=False)
    return sysns.kernel_mounts("vfat")


def in_namespaces(options):
    """Make the machine around perform(); returns its exit status."""
    reader, writer = os.pipe()

    def setup():
        import rootfs
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # our parent's end is ours
        rootfs.enter([os.path.dirname(os.path.dirname(HERE)), os.path.dirname(options.binary)])

    def main():
        os.write(writer, bytes([perform(options)]))

    sys.stdout.flush()
    pid = sysns.spawn(main, setup, net=True)
    os.close(writer)
    sysns.reap(pid, block=True)
    return (os.read(reader, 1) or b"\1")[0]


def main(argv):
    """Returns the exit status."""
    options = arguments(argv)
    options.binary = os.path.abspath(options.binary)
    if not options.colour:
        terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        options.colour = "yes" if terminal and "NO_COLOR" not in os.environ else "no"
    if os.geteuid() != 0:
        print("demo: this makes mounts and loop devices: run it as root", file=sys.stderr)
        return 1
    if vfat_here():
        return in_namespaces(options)
    if uml.kernel() is None:
        print("demo: this kernel cannot mount vfat, and there is no linux.uml "
              "(Debian: user-mode-linux)", file=sys.stderr)
        return 1
    words = [options.binary, f"--colour={options.colour}"] + ["--fast"] * options.fast
    return uml.run(os.path.realpath(__file__), words, time_limit=300,
                   env={"BOOTSYNC_TEST_SLOW": UML_SLOW, "BOOTSYNC_OWN_KERNEL": "1"})


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
