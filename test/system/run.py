#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run scenario files: run.py --fs ext4|vfat --binary PATH [--filter RE] FILE.py…

A scenario file is plain python with functions scenario_<name>(m); see machine.py.  Each runs in a
fresh machine.  Where the running kernel cannot mount vfat, --fs vfat boots user-mode Linux once
and runs the same command inside.

One line for each scenario, then a summary.  Exit status: 0 if all passed, 1 if any failed, was
skipped without having declared it, or if none ran; 2 for a wrong call.
"""

import argparse
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import sysns  # noqa: E402
import uml    # noqa: E402

# User-mode Linux traces every system call: measured, a process start takes 25 times as long there,
# waiting takes as long as anywhere.
UML_SLOW = "4"
# What a scenario may take beyond its time limit, to print its report.
GRACE = 15


def arguments(argv):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--fs", choices=["ext4", "vfat"], required=True)
    parser.add_argument("--binary", help="the program under test")
    parser.add_argument("--build", help="build directory (default: found from the binary)")
    parser.add_argument("--out", help="directory that scenarios may write to (BOOTSYNC_TEST_OUT)")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--filter", default="", metavar="RE", help="run only names that match")
    parser.add_argument("--jobs", "-j", type=int, default=1, help="so many at the same time")
    parser.add_argument("--time-limit", type=float, default=1200, metavar="S",
                        help="for the whole of a user-mode Linux run (default 1200)")
    parser.add_argument("--memory", default="512M", help="of user-mode Linux")
    parser.add_argument("--verbose", "-v", action="store_true", help="print output of passes too")
    parser.add_argument("files", nargs="+", metavar="FILE.py")
    options = parser.parse_args(argv)
    for name in ("binary", "build", "out"):
        if getattr(options, name):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    if options.binary and not os.access(options.binary, os.X_OK):
        parser.error(f"{options.binary}: not there, or not executable")
    return options


class Scenario:
    """One function of a scenario file, and how it went."""

    def __init__(self, function, module):
        given = getattr(function, "scenario", {})
        self.name = f"{module}.{function.__name__.removeprefix('scenario_')}"
        self.function = function
        self.fs_only = given.get("fs_only")
        self.timeout = given.get("timeout", 60)
        self.machine = given.get("machine", {})
        self.outcome, self.reason, self.seconds, self.output = "FAIL", "", 0.0, ""


def load(path):
    """The scenarios of one file, in its order."""
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(f"scenarios_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [Scenario(value, name) for key, value in vars(module).items()
            if key.startswith("scenario_") and callable(value)]


def build_directory(options):
    """The build directory that the binary lies in."""
    if options.build:
        return options.build
    directory = os.path.dirname(options.binary)
    while directory != "/":
        if os.path.exists(f"{directory}/CMakeCache.txt"):
            return directory
        directory = os.path.dirname(directory)
    return os.path.dirname(options.binary)


# -- inside of a machine

def _alarm(_number, _frame):
    from watching import Failed
    raise Failed("time limit reached")


def _outcome(scenario, result):
    """Make the machine, run the scenario in it and write (outcome, reason) to `result`."""
    import traceback
    import machine as machine_module
    machine, outcome, reason = None, "FAIL", ""
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(int(scenario.timeout * machine_module.SLOW) + 1)
    try:
        machine = machine_module.Machine(**scenario.machine)
        scenario.function(machine)
        outcome = "ok"
    except machine_module.Skipped as skip:
        outcome, reason = "SKIP", str(skip)
    except BaseException as error:  # pylint: disable=broad-except
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    signal.alarm(GRACE)
    if machine is not None:
        failures = machine.close()
        if outcome == "ok" and failures:
            outcome, reason = "FAIL", "; ".join(failures)
        if outcome == "FAIL":
            print(reason)
            print(machine.report())
    os.write(result, json.dumps([outcome, reason]).encode())


def _source_tree():
    """The project's top directory: everything a scenario or the program may need to read."""
    return os.path.dirname(os.path.dirname(HERE))


class Running:
    """A scenario in its machine, seen from outside."""

    def __init__(self, scenario, options, serial):
        self.scenario, self.start = scenario, time.monotonic()
        self.id = f"rig{os.getpid()}x{serial}"
        self._output = os.memfd_create("output")
        self._reader, writer = os.pipe()
        self._limit = self.start + scenario.timeout * float(
            os.environ.get("BOOTSYNC_TEST_SLOW", "1")) + GRACE + 5

        def setup():
            import rootfs
            os.environ["BOOTSYNC_TEST_ID"] = self.id
            read = [_source_tree()] + [os.path.dirname(os.path.abspath(path))
                                       for path in options.files]
            if options.binary:
                read += [build_directory(options), os.path.dirname(options.binary)]
            rootfs.enter(read, [options.out] if options.out else [])

        self.pid = sysns.spawn(lambda: _outcome(scenario, writer), setup, net=True,
                               stdout=self._output)
        os.close(writer)

    def poll(self):
        """Whether it has ended; kills it when its time is long up."""
        if sysns.reap(self.pid):
            self._finish()
            return True
        if time.monotonic() > self._limit:
            import disks
            disks.resume_mappers(self.id)
            sysns.kill(self.pid)
            self._finish()
            return True
        return False

    def _finish(self):
        scenario = self.scenario
        scenario.seconds = time.monotonic() - self.start
        ready = select.select([self._reader], [], [], 0)[0]
        data = os.read(self._reader, 65536) if ready else b""
        size = os.fstat(self._output).st_size
        scenario.output = os.pread(self._output, size, 0).decode(errors="replace")
        if data:
            scenario.outcome, scenario.reason = json.loads(data)
        else:
            scenario.reason = "it ended without a result, or hung"
        os.close(self._reader)
        os.close(self._output)


# -- the run

def report(scenario, verbose):
    """The scenario's line, and its output if that is of interest."""
    reason = f": {scenario.reason}" if scenario.reason else ""
    seconds = f" {scenario.seconds:.1f}s" if scenario.outcome != "SKIP" else ""
    print(f"{scenario.outcome} {scenario.name}{seconds}{reason}", flush=True)
    if scenario.output and (verbose or scenario.outcome == "FAIL"):
        print("    " + scenario.output.rstrip("\n").replace("\n", "\n    "), flush=True)


def warm_up(scenario, fs):
    """Format the images of its kind here, once, so that its process inherits the result."""
    import disks
    from machine import SIZE
    given = scenario.machine
    disks.template(given.get("size", SIZE), given.get("fs", fs), given.get("fat"),
                   given.get("cluster"))


def run_all(scenarios, options):
    """Run them; returns the exit status."""
    counts = {"ok": 0, "FAIL": 0, "SKIP": 0}
    undeclared, queue, running, serial = 0, list(scenarios), [], 0
    while queue or running:
        while queue and len(running) < max(1, options.jobs):
            scenario = queue.pop(0)
            if scenario.fs_only not in (None, options.fs):
                scenario.outcome, scenario.reason = "SKIP", f"only for {scenario.fs_only}"
                counts["SKIP"] += 1
                report(scenario, False)
                continue
            serial += 1
            warm_up(scenario, options.fs)
            running.append(Running(scenario, options, serial))
        for item in [item for item in running if item.poll()]:
            running.remove(item)
            counts[item.scenario.outcome] += 1
            undeclared += item.scenario.outcome == "SKIP"
            report(item.scenario, options.verbose)
        time.sleep(0.01)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped", flush=True)
    return 0 if counts["ok"] and not counts["FAIL"] and not undeclared else 1


def _vfat_here():
    if sysns.kernel_mounts("vfat"):
        return True
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "vfat"], check=False)
    return sysns.kernel_mounts("vfat")


def _in_uml(options, argv):
    """The same call, inside user-mode Linux."""
    if uml.kernel() is None:
        print("FAIL: --fs vfat: this kernel cannot mount vfat, and there is no linux.uml "
              "(Debian: user-mode-linux)")
        return 1
    env = {name: value for name, value in os.environ.items()
           if name.startswith(("ASAN_", "UBSAN_", "LSAN_", "GCOV_", "LLVM_", "BOOTSYNC_"))}
    env.update(BOOTSYNC_TEST_SLOW=UML_SLOW, BOOTSYNC_OWN_KERNEL="1", BOOTSYNC_CWD=os.getcwd())
    return uml.run(os.path.join(HERE, "run.py"), argv, env=env,
                   writable=[options.out] if options.out else [],
                   time_limit=options.time_limit, mem=options.memory)


def main(argv):
    """Returns the exit status."""
    if "BOOTSYNC_CWD" in os.environ:
        os.chdir(os.environ["BOOTSYNC_CWD"])
    options = arguments(argv)
    scenarios = [scenario for path in options.files for scenario in load(path)
                 if re.search(options.filter, scenario.name)]
    if options.list:
        for scenario in scenarios:
            print(scenario.name)
        return 0
    if os.geteuid() != 0:
        print("FAIL: the system tests make mounts and loop devices: run them as root")
        return 1
    if options.fs == "vfat" and not _vfat_here():
        return _in_uml(options, argv)
    os.environ["BOOTSYNC_TEST_FS"] = options.fs
    if options.binary:
        os.environ["BOOTSYNCD"] = options.binary
    if options.out:
        os.environ["BOOTSYNC_TEST_OUT"] = options.out
    return run_all(scenarios, options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
