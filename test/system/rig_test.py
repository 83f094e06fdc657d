#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runner proves itself: rig_test.py ext4|vfat

It runs run.py on small scenario files that pass, fail, skip, hang, crash the kernel or are killed,
and checks what run.py says, its exit status, and that nothing is left on the host.
"""

import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
RUN = os.path.join(HERE, "run.py")

SCENARIOS = r'''
# SPDX-License-Identifier: LGPL-2.1-or-later
import os, time
from machine import *

@scenario()
def scenario_pass(m):
    write(os.environ["BOOTSYNC_TEST_OUT"] + "/written", m.fs)

@scenario()
def scenario_fail(m):
    m.add_kernel("6.9.1", initrd_mb=0, linux_mb=0)
    expect(False, "the reason")

@scenario(fs_only="nothing")
def scenario_elsewhere(m):
    raise AssertionError

@scenario()
def scenario_skip(m):
    raise Skipped("no wish to")

@scenario(timeout=1)
def scenario_hang(m):
    time.sleep(1000)

@scenario(timeout=1000)
def scenario_linger(m):
    images = [esp.image for esp in m._esps.values()]
    m.shell("sleep 987654 >/dev/null 2>&1 & setsid sleep 987654 >/dev/null 2>&1 &")
    write(os.environ["BOOTSYNC_TEST_OUT"] + "/images", "\n".join(images))
    time.sleep(1000)

@scenario()
def scenario_daemon_crash(m):
    m.binary = "/bin/sh"
    d = m.start(["-c", "kill -SEGV $$"], wait_ready=False)
    d.wait()

@scenario()
def scenario_panic(m):
    write("/proc/sysrq-trigger", "c")

@scenario(timeout=1000)
def scenario_long(m):
    time.sleep(1000)
'''

failures = []


def check(condition, what):
    """Note a failure and go on.  Only a failure shows what follows the first ": "."""
    print("ok " + what.split(": ")[0] if condition else "FAIL " + what, flush=True)
    if not condition:
        failures.append(what)


class Rig:
    """A scenario file in a directory of its own, and calls of run.py on it."""

    def __init__(self, fs, directory):
        self.fs, self.directory = fs, directory
        self.out = f"{directory}/out"
        os.mkdir(self.out)
        self.file = f"{directory}/sample.py"
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(SCENARIOS)

    def command(self, names, *more):
        """The call for scenarios whose names match."""
        return ["/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable, RUN,
                "--fs", self.fs, "--out", self.out, "--filter", f"[.]({names})$", *more, self.file]

    def run(self, names, *more):
        """(status, output) of it."""
        done = subprocess.run(self.command(names, *more), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300, check=False)
        return done.returncode, done.stdout


def children():
    """PIDs of all processes below this one, those in other PID namespaces too."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, new = set(), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(pids):
    """Those of them that are still there (a zombie is not)."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] != "Z":
                    found.append(pid)
        except OSError:
            continue
    return found


def wait_for(predicate, seconds=30):
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if predicate():
            return True
        time.sleep(0.05)
    return False


def attached(images):
    """Loop devices whose image is one of these."""
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            found += [path for image in images if os.path.basename(image) in text]
        except OSError:
            continue
    return found


def mounts():
    """Mount points of the host."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return sorted(line.split()[4] for line in file)


def test_verdicts(rig):
    """Pass, failure, skips, an empty selection, a time limit, a crash of the program."""
    status, text = rig.run("pass|elsewhere")
    check(status == 0 and "ok sample.pass" in text, f"a pass is status 0: {status} {text}")
    check(text.endswith("1 passed, 0 failed, 1 skipped\n"), f"the summary is last: {text}")
    with open(f"{rig.out}/written", encoding="ascii") as file:
        check(file.read() == rig.fs, "the scenario wrote to --out")
    status, text = rig.run("pass|fail|skip|hang|daemon_crash")
    check(status == 1, f"failures are status 1: {status}")
    check("FAIL sample.fail" in text and "the reason" in text, "a failure says why")
    check("6.9.1/linux" in text and "/boot@b" in text, "and shows the trees")
    check("FAIL sample.hang" in text and "time limit" in text, "a hanging scenario is ended")
    check("died of SIGSEGV" in text, "a crash of the program is a failure")
    check("SKIP sample.skip: no wish to" in text, "a skip says why")
    check(text.endswith("1 passed, 3 failed, 1 skipped\n"), f"the summary counts: {text[-200:]}")
    check(rig.run("pass|skip")[0] == 1, "an undeclared skip is status 1")
    check(rig.run("elsewhere")[0] == 1, "nothing but declared skips is status 1")
    check(rig.run("no-such-name")[0] == 1, "no scenario is status 1")


def test_kill(rig):
    """kill -9 of the runner in the middle leaves nothing."""
    before = mounts()
    with subprocess.Popen(rig.command("linger"), stdout=subprocess.DEVNULL) as process:
        started = wait_for(lambda: os.path.exists(f"{rig.out}/images"))
        check(started, "the lingering one started")
        if not started:
            process.kill()
            return
        time.sleep(0.5)
        with open(f"{rig.out}/images", encoding="utf-8") as file:
            images = file.read().split()
        family = children()
        check(len(family) >= 3, f"its processes: {len(family)}")
        if not os.environ.get("BOOTSYNC_OWN_KERNEL") and rig.fs == "ext4":
            check(len(attached(images)) == 2, "its loop devices")
        process.send_signal(signal.SIGKILL)
    family.discard(os.getpid())
    check(wait_for(lambda: not alive(family)), "after a kill -9 no process is left")
    check(wait_for(lambda: not attached(images)), "no loop device is left")
    check(mounts() == before, "no mount is left")


def test_kernel(rig):
    """A panic, or a guest that takes too long, is a failure that shows the console."""
    status, text = rig.run("pass|panic")
    check(status == 1 and "console:" in text and "anic" in text, f"a panic: {status} {text[:300]}")
    family = children()
    start = time.monotonic()
    status, text = rig.run("long", "--time-limit", "6")
    check(status == 1 and "no end within 6 s" in text, f"a time limit: {status} {text[:300]}")
    check(time.monotonic() - start < 15, "in time")
    check(children() == family, "no process is left")


def main(fs):
    """Returns the exit status."""
    sys.path.insert(0, HERE)
    import sysns
    leftovers = set(os.listdir(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="bootsync-rig-") as directory:
        rig = Rig(fs, directory)
        test_verdicts(rig)
        test_kill(rig)
        if fs == "vfat" and not sysns.kernel_mounts("vfat"):
            test_kernel(rig)
    new = [name for name in set(os.listdir(tempfile.gettempdir())) - leftovers
           if name.startswith("bootsync-uml")]
    check(not new, f"no file is left: {new}")
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["ext4"], ["vfat"]):
        sys.exit("usage: rig_test.py ext4|vfat")
    sys.exit(main(sys.argv[1]))
