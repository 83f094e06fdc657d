# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inside of a machine that systemd runs: what unit_test.py wants to know of the service.

    unit_guest.py life|alone [PART…]    the checks, one line each; exit status 1 if one failed
    unit_guest.py inside    run in the service's sandbox: what can be done from there, as JSON
"""

import ctypes
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

UNIT = "bootsyncd.service"
MACHINE_ID = "0123456789abcdef0123456789abcdef"
SETTINGS = "/etc/bootsync/bootsync.conf.d/test.conf"
QUICK = "[ESP]\nBindTimeoutSec=2s\n[Mirror]\nDebounceSec=100ms\nMaxDelaySec=1s\n"
IDS = {  # daemon/messages.c; they never change
    "bind-no-uuid": "1ecb639974ea5885bb7f249823d80bc9",
    "bind-lost": "3f5a36f41dd85512b287a298637d4f70",
    "config-kept": "5e1db88e10785796b24defa10413693f",
    "config-refused": "3798560f4fc254d3ab4a1f42bacbca40",
    "mirrored": "31578356cd565bb0b1b4b573fa77792a",
    "target-missing": "cf6b6254c7785345a6dba7b8d2e84998",
}
CLONE_NEWNS = 0x20000

libc = ctypes.CDLL(None, use_errno=True)
failures = []


# -- helpers

def check(condition, what, detail=""):
    """Note a failure and go on."""
    print(f"ok {what}" if condition else f"FAIL {what}: {detail}", flush=True)
    if not condition:
        failures.append(what)


def run(*command, status=None):
    """Run a command; its output, both streams."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False, env={**os.environ, "SYSTEMD_PAGER": "cat", "LANG": "C"})
    if status is not None and result.returncode != status:
        check(False, f"{' '.join(command)} ends with {status}", result.stdout)
    return result.stdout.strip()


def show(*names, unit=UNIT):
    """Properties of a unit: one as a text, several as a list."""
    lines = run("systemctl", "show", unit, "-p", ",".join(names), status=0).split("\n")
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get(names[0], "") if len(names) == 1 else [values.get(x, "") for x in names]


def pid():
    """The daemon's process id; 0 without one."""
    return int(show("MainPID"))


def wait(function, seconds=15):
    """Wait until function() is true; its value, or the last one."""
    end = time.monotonic() + seconds
    value = function()
    while not value and time.monotonic() < end:
        time.sleep(0.05)
        value = function()
    return value


def write(path, text=""):
    """Write a small file, and the directories above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    """The bytes of a file, or None."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def now():
    """A point in the journal's time."""
    return time.monotonic() * 1e6


def records(since, *matches):
    """Records of the journal since then, as dictionaries."""
    lines = run("journalctl", "-b", "-o", "json", *matches).split("\n")
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [record for record in found if int(record["__MONOTONIC_TIMESTAMP"]) > since]


def journal(reason=None, since=0):
    """What our program said; only with this reason."""
    return records(since, "SYSLOG_IDENTIFIER=bootsyncd",
                   *([f"BOOTSYNC_REASON={reason}"] if reason else []))


def manager(since):
    """What systemd said of our unit, as a text."""
    return "\n".join(record["MESSAGE"] for record in records(since, f"UNIT={UNIT}"))


def said(reason, since, seconds=10):
    """The first record of this kind since then, or {}."""
    found = wait(lambda: journal(reason, since), seconds)
    return found[0] if found else {}


def add_kernel(version, size=1 << 16):
    """As kernel-install does."""
    top = f"/boot/{MACHINE_ID}/{version}"
    os.makedirs(f"/usr/lib/modules/{version}", exist_ok=True)
    write(f"{top}/linux", version * 100)
    with open(f"{top}/initrd", "wb") as file:
        file.write(os.urandom(1 << 16) * (size >> 16))
    path = f"/boot/loader/entries/{MACHINE_ID}-{version}.conf"
    write(path, f"title Rig\nversion {version}\nlinux /{MACHINE_ID}/{version}/linux\n"
                f"initrd /{MACHINE_ID}/{version}/initrd\n")
    return [f"{top}/linux", f"{top}/initrd", path]


def same(paths, where="/boot@b"):
    """Whether these files below /boot are there in the same form."""
    return all(read(path) is not None and read(path) == read(path.replace("/boot", where, 1))
               for path in paths)


def mount_id(path):
    """(identity of the mount, file system type) of what the host sees there, or None."""
    with open("/proc/1/mountinfo", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    found = [(line[0], line[line.index("-") + 1]) for line in lines if line[4] == path]
    return found[-1] if found else None


def active():
    """Whether the daemon is up and ready."""
    return show("ActiveState") == "active"


def settings(text, verb="reload"):
    """Put settings in force."""
    write(SETTINGS, text)
    return run("systemctl", verb, UNIT)


def in_sync():
    """Whether the status line says that B is in sync."""
    return "/boot@b in sync since" in show("StatusText")


# -- the parts of a life

def test_start():
    """Bound before local-fs.target, seen by all; B in sync."""
    check(run("systemctl", "is-system-running") == "running", "systemd is content",
          run("systemctl", "--failed", "--no-legend"))
    ready = int(show("ActiveEnterTimestampMonotonic"))
    reached = int(show("ActiveEnterTimestampMonotonic", unit="local-fs.target"))
    check(0 < ready <= reached, "READY comes before local-fs.target", (ready, reached))
    check(b"vfat" in (read("/run/probe") or b""),
          "a unit after local-fs.target sees the bind", read("/run/probe"))
    check((mount_id("/boot") or [0, 0])[1] == "vfat", "the host sees the bind", mount_id("/boot"))
    check(len(journal("bound")) == 1, "it was bound once", journal("bound"))
    first = f"/boot/{MACHINE_ID}/99.0.0/linux"
    check(wait(lambda: same([first, f"/boot/loader/entries/{MACHINE_ID}-99.0.0.conf"])),
          "B gets what A has")
    check(wait(in_sync), "the status says so", show("StatusText"))
    text = run("systemctl", "status", UNIT)
    check(re.search(r'Status: "/boot is /boot@a; /boot@b in sync since \d{4}-', text),
          "systemctl status shows the line", text)


def status_of(process):
    """/proc/PID/status."""
    lines = read(f"/proc/{process}/status").decode().split("\n")
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def try_to_write(path):
    """None if a file can be made and removed, else the error's name."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.unlink(path)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def in_namespace(process, function):
    """The value (JSON) of function() in the mount namespace of a process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        fd = os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY)
        if libc.setns(fd, CLONE_NEWNS) == 0:
            os.write(writer, json.dumps(function()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    return json.loads(data) if data else None


PLACES = ["/boot", "/boot@a", "/boot@b", "/etc", "/usr", "/run", "/var/lib", "/var/log", "/tmp",
          "/", "/run/bootsync", "/var/lib/bootsync"]
WRITABLE = {"/boot@b", "/run/bootsync", "/var/lib/bootsync"}


def places():
    """What can be written where."""
    return {path: try_to_write(f"{path}/probe-{os.getpid()}") for path in PLACES}


def check_places(result, who):
    """Only what must be writable is."""
    wrong = {path: error for path, error in (result or {"": "nothing"}).items()
             if (error is None) != (path in WRITABLE)}
    check(not wrong, f"{who} writes to the targets and its own directories only", wrong)


def inside():
    """Run as the service is, with the same sandbox."""
    def attempt(function):
        try:
            function()
        except OSError as error:
            return errno.errorcode[error.errno]
        return None

    def system(result):
        if result < 0:
            raise OSError(ctypes.get_errno(), "")

    mount = libc.mount
    print(json.dumps({
        "places": places(),
        "source": attempt(lambda: os.listdir("/boot@a")),
        "modules": attempt(lambda: os.listdir("/lib/modules")),
        "mount": attempt(lambda: system(mount(b"none", b"/boot@b", b"tmpfs", 0, None))),
        "remount": attempt(lambda: system(mount(None, b"/boot", None, 0x20 | 0x1000, None))),
        "unshare": attempt(lambda: system(libc.unshare(CLONE_NEWNS))),
        "device": attempt(lambda: os.mknod("/var/lib/bootsync/device", 0o60600,
                                           os.makedev(98, 1))),
        "disk": attempt(lambda: os.stat("/dev/ubda1")),
        "chown": attempt(lambda: os.chown("/var/lib/bootsync", 1, 1)),
        "inet": attempt(lambda: socket.socket(socket.AF_INET).close()),
        "reboot": attempt(lambda: system(libc.syscall(169, 0, 0, 0, None))),
        "home": attempt(lambda: os.listdir("/root")),
        "lease": attempt(lease),
    }))


def lease():
    """The right to a lease is the owner's alone."""
    import fcntl
    with open(f"/boot/{MACHINE_ID}/99.0.0/linux", "rb") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)


def test_sandbox():
    """Of the daemon itself, and of a stand-in in the same sandbox."""
    process = pid()
    status = status_of(process)
    for name, value in (("CapEff", "0" * 16), ("CapBnd", "0" * 16), ("CapPrm", "0" * 16),
                        ("NoNewPrivs", "1"), ("Seccomp", "2")):
        check(status[name] == value, f"{name} is {value}", status[name])
    check_places(in_namespace(process, places), "the daemon")

    text = run("systemctl", "cat", UNIT)
    text = re.sub(r"(?m)^(Type|ExecStartPre|ExecReload|WatchdogSec|Restart|WantedBy|Before|After"
                  r"|SystemCallErrorNumber)=.*\n", "", text)
    text = re.sub(r"(?m)^ExecStart=.*", "Type=oneshot\nSystemCallErrorNumber=EPERM\n"
                  "StandardOutput=truncate:/run/inside.out\n"
                  "ExecStart=/usr/bin/python3 -SEB /rig/unit_guest.py inside", text)
    write("/run/systemd/system/inside.service", text)
    run("systemctl", "daemon-reload", status=0)
    run("systemctl", "start", "inside.service")
    result = json.loads(read("/run/inside.out") or b"{}")
    if not result:
        check(False, "the stand-in runs", run("journalctl", "-b", "-u", "inside.service"))
        return
    check_places(result.pop("places"), "a stand-in in the sandbox")
    allowed = {name for name, error in result.items() if error is None}
    check(allowed == {"source", "modules", "lease"}, "it may read, and take a lease, no more",
          result)


def test_mirror():
    """A kernel that is added is mirrored, and the journal has it in fields."""
    since = now()
    paths = add_kernel("99.1.0")
    check(wait(lambda: same(paths)), "a new kernel is mirrored")
    record = said("mirrored", since)
    check(record.get("MESSAGE_ID") == IDS["mirrored"] and record.get("PRIORITY") == "6" and
          record.get("BOOTSYNC_ESP") == "/boot@b" and record.get("_SYSTEMD_UNIT") == UNIT and
          int(record.get("BOOTSYNC_BYTES", 0)) > 1 << 16 and int(record["BOOTSYNC_USEC"]) > 0,
          "the journal has it in fields", record)


def test_members():
    """Members come and go."""
    check(wait(in_sync), "all is done", show("StatusText"))
    since = now()
    run("umount", "/boot@b", status=0)
    check(not os.path.ismount("/boot@b"), "B can be unmounted while the daemon idles")
    record = said("target-missing", since)
    check(record.get("MESSAGE_ID") == IDS["target-missing"] and record.get("PRIORITY") == "4" and
          record.get("BOOTSYNC_GUARD") == "8" and record.get("BOOTSYNC_ESP") == "/boot@b",
          "it is reported as missing", record)
    run("journalctl", "--update-catalog", status=0)
    text = run("journalctl", "-b", "-x", f"MESSAGE_ID={IDS['target-missing']}")
    check("-- Subject: /boot@b is not mounted" in text and "-- Defined-By: bootsync" in text and
          "@BOOTSYNC" not in text, "journalctl -x explains it", text)
    paths = add_kernel("99.2.0")
    time.sleep(1)
    check(os.listdir("/boot@b") == [], "the bare directory stays empty", os.listdir("/boot@b"))

    os.mkdir("/boot@c")
    run("mount", "/dev/ubdb1", "/boot@c", status=0)
    check(wait(lambda: same(paths, "/boot@c")), "an ESP at a new place is seen and filled",
          run("findmnt", "/boot@c"))
    run("umount", "/boot@c", status=0)
    os.rmdir("/boot@c")
    paths = add_kernel("99.3.0")
    run("systemctl", "start", "boot\\x40b.mount", status=0)
    check(wait(lambda: same(paths)), "B mounted again is caught up")
    check(wait(in_sync), "and in sync", show("StatusText"))


def test_reload():
    """A good configuration is taken, a bad one is not."""
    process = pid()
    write("/boot/EFI/more/file", "more")
    settings(QUICK + "ExtraPaths=EFI/more\n")
    check(wait(lambda: same(["/boot/EFI/more/file"])), "reload takes an edited configuration")
    since = now()
    settings(QUICK + "ExtraPaths=EFI/more\nDebounceSec=soon\n")
    record = said("config-kept", since)
    check(record.get("MESSAGE_ID") == IDS["config-kept"] and record.get("PRIORITY") == "3",
          "a bad one is refused", journal(since=since))
    text = said("config-diagnostic-error", since).get("MESSAGE", "")
    check(SETTINGS in text and "DebounceSec" in text, "with file and key", text)
    check(active() and pid() == process, "the daemon is still up", show("ActiveState"))
    write("/boot/EFI/more/other", "more")
    check(wait(lambda: same(["/boot/EFI/more/other"])), "with the old settings in force")
    settings(QUICK)


def test_restart():
    """However it ends, it comes back, and the bind stands."""
    since, before, process = now(), mount_id("/boot"), pid()
    run("systemctl", "restart", UNIT, status=0)
    check(pid() not in (0, process) and mount_id("/boot") == before and not journal("bound", since),
          "a restart adopts the bind", journal(since=since))
    check(wait(in_sync), "and all is in sync", show("StatusText"))

    process = pid()
    os.kill(process, signal.SIGKILL)
    check(wait(lambda: pid() not in (0, process) and active()), "killed, it is started again",
          run("systemctl", "status", UNIT))
    check(mount_id("/boot") == before, "still bound", (before, mount_id("/boot")))

    since, process = now(), pid()
    run("umount", "-l", "/boot", status=0)
    check(wait(lambda: pid() not in (0, process) and active()), "unbound, it is started again",
          run("systemctl", "status", UNIT))
    text = manager(since)
    check("status=69" in text, "its exit status was 69", text)
    record = said("bind-lost", since)
    check(record.get("MESSAGE_ID") == IDS["bind-lost"] and record.get("PRIORITY") == "2" and
          "  " not in record["MESSAGE"], "and it said why", record)
    check(len(journal("bound", since)) == 1 and mount_id("/boot"), "bound anew, for all to see",
          mount_id("/boot"))
    paths = add_kernel("99.4.0")
    check(wait(lambda: same(paths)), "and it mirrors")


def worker_of(process):
    """The process id of its worker, or None."""
    children = (read(f"/proc/{process}/task/{process}/children") or b"").split()
    return int(children[0]) if children else None


def switches(process):
    """How often it has slept."""
    return status_of(process)["voluntary_ctxt_switches"]


def test_watchdog():
    """It counts while there is work, and only then."""
    write(f"/run/systemd/system/{UNIT}.d/watchdog.conf", "[Service]\nWatchdogSec=2s\n")
    run("systemctl", "daemon-reload", status=0)
    run("systemctl", "restart", UNIT, status=0)
    check(wait(in_sync), "all is done", show("StatusText"))
    time.sleep(0.5)
    process = pid()
    check(show("WatchdogUSec") == "0", "the watchdog is off while it idles", show("WatchdogUSec"))
    before = switches(process)
    time.sleep(4.5)
    check(pid() == process and active(), "more than twice its time: nobody was killed",
          run("systemctl", "status", UNIT))
    check(switches(process) == before, "and nobody woke up", (before, switches(process)))

    since = now()
    paths = add_kernel("99.5.0", size=32 << 20)
    worker = wait(lambda: worker_of(process))
    os.kill(worker, signal.SIGSTOP)
    check(show("WatchdogUSec") == "2s", "it is armed while it works", show("WatchdogUSec"))
    os.kill(process, signal.SIGSTOP)
    check(wait(lambda: pid() not in (0, process) and active()), "stuck, it is started again",
          run("systemctl", "status", UNIT))
    text = manager(since)
    check("watchdog" in text.lower(), "by the watchdog", text)
    check(not os.path.exists(f"/proc/{worker}"), "its worker went with it")
    check(wait(lambda: same(paths)), "and what it left undone is done")
    os.unlink(f"/run/systemd/system/{UNIT}.d/watchdog.conf")
    run("systemctl", "daemon-reload", status=0)


def test_typo():
    """A slip in the configuration fails once."""
    run("systemctl", "reset-failed", UNIT)
    since = now()
    settings("[Mirror]\nDebounceSec=soon\n", "restart")
    wait(lambda: show("ActiveState") == "failed", 5)
    time.sleep(1)
    state = show("ActiveState", "ExecMainStatus", "NRestarts", "Result")
    check(state == ["failed", "78", "0", "exit-code"], "a typo: failed with 78, once", state)
    check(said("config-refused", since).get("MESSAGE_ID") == IDS["config-refused"], "and said",
          journal(since=since))
    check(mount_id("/boot") is not None, "the bind stays")
    settings(QUICK, "restart")
    check(active() and wait(in_sync), "corrected, it starts", show("ActiveState", "StatusText"))


def test_failed_bind():
    """What cannot be bound is tried so often, and then failed."""
    run("systemctl", "stop", UNIT, status=0)
    run("umount", "/boot", status=0)
    directory = "/sys/firmware/efi/efivars"
    name = os.listdir(directory)[0]
    data = read(f"{directory}/{name}")
    os.unlink(f"{directory}/{name}")
    write(f"/run/systemd/system/{UNIT}.d/zz-limit.conf", "[Unit]\nStartLimitBurst=2\n")
    run("systemctl", "daemon-reload", status=0)
    run("systemctl", "reset-failed", UNIT)
    since = now()
    settings("[ESP]\nBindTimeoutSec=100ms\n", "start")
    wait(lambda: show("ActiveState") == "failed")
    state = show("ActiveState", "ExecMainStatus", "NRestarts")
    check(state == ["failed", "77", "2"], "a bind that fails is tried to the limit", state)
    record = said("bind-no-uuid", since)
    # journald finds out the unit by the process, which is often gone by then
    check(record.get("MESSAGE_ID") == IDS["bind-no-uuid"] and
          record.get("OBJECT_SYSTEMD_UNIT") == UNIT,
          "and says why, in the unit's journal", journal(since=since))
    check(mount_id("/boot") is None, "nothing is bound", mount_id("/boot"))

    with open(f"{directory}/{name}", "wb") as file:
        file.write(data)
    os.unlink(f"/run/systemd/system/{UNIT}.d/zz-limit.conf")
    run("systemctl", "daemon-reload", status=0)
    run("systemctl", "reset-failed", UNIT)
    settings(QUICK, "start")
    check(active() and wait(in_sync), "corrected, it starts", show("ActiveState", "StatusText"))


def test_pending():
    """Left for unit_test.py to see after the shutdown: a change that waits for its time."""
    settings("[Mirror]\nDebounceSec=30s\nMaxDelaySec=60s\n")
    check(wait(in_sync), "all is done", show("StatusText"))
    time.sleep(1)
    paths = add_kernel("99.9.0")
    time.sleep(1)
    check(not same(paths), "a change waits for DebounceSec=")


def test_alone():
    """B is not attached."""
    check(run("systemctl", "is-system-running") == "running", "systemd is content",
          run("systemctl", "--failed", "--no-legend"))
    started = int(show("InactiveExitTimestampMonotonic"))
    reached = int(show("ActiveEnterTimestampMonotonic", unit="local-fs.target"))
    check(0 < started <= reached < started + 10000000, "local-fs.target does not wait for B",
          (started, reached))
    check((mount_id("/boot") or [0, 0])[1] == "vfat", "A is bound", mount_id("/boot"))
    check("/boot@b not mounted" in show("StatusText"), "the status says that B is missing",
          show("StatusText"))
    check(len(journal("target-missing")) == 1, "so does the journal, once")
    add_kernel("99.6.0")
    time.sleep(1)
    check(os.listdir("/boot@b") == [], "nothing is written to its directory")


def main():
    """Returns the exit status."""
    if sys.argv[1] == "inside":
        inside()
        return 0
    tests = {"life": [test_start, test_sandbox, test_mirror, test_members, test_reload,
                      test_restart, test_watchdog, test_typo, test_failed_bind, test_pending],
             "alone": [test_alone]}[sys.argv[1]]
    for test in tests:
        if sys.argv[2:] and test.__name__.removeprefix("test_") not in sys.argv[2:]:
            continue
        begin = time.monotonic()
        try:
            test()
        except Exception as error:  # pylint: disable=broad-except
            check(False, test.__name__, f"line {error.__traceback__.tb_lineno}: {error!r}")
        print(f"   {test.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    if failures:
        print(run("journalctl", "-b", "-o", "short-monotonic", "-u", UNIT))
    return 1 if failures else 0


sys.exit(main())
