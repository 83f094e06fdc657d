# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program under test as a process: what it says, what it holds, how it ends.

Daemon is made by Machine.start().  Its words are collected by one thread each for standard error
and the notification socket; Journal, one per machine, is the other end of sd_journal_send().
"""

import array
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from watching import SLOW, Failed, expect, search, wait_until

# What a sanitizer build prints; it fails the scenario, whatever else it found.
_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|: runtime error: |WARNING: \w+Sanitizer")


class Timed(str):
    """A text with the time.monotonic() of its arrival in .time."""

    def __new__(cls, text):
        self = super().__new__(cls, text)
        self.time = time.monotonic()
        return self


def _receive(sock):
    """One datagram: (bytes, sender's PID, [descriptors])."""
    data, ancillary, _, _ = sock.recvmsg(1 << 18, socket.CMSG_SPACE(12) + socket.CMSG_SPACE(64))
    pid, fds = 0, array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("iii", payload)[0]
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
    return data, pid, list(fds)


def _datagrams(path):
    """A datagram socket at `path` that is told who sent."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    sock.bind(path)
    os.chmod(path, 0o666)
    return sock


def _thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


class Record(dict):
    """One journal record: its fields, with .time and .pid of its arrival and sender."""

    def __init__(self, fields, pid):
        super().__init__(fields)
        self.time, self.pid = time.monotonic(), pid


class Journal:
    """The native journal socket.  `records` is the list of all that came."""

    PATH = "/run/systemd/journal/socket"

    def __init__(self):
        self.records = []
        self._socket = _datagrams(self.PATH)
        _thread(self._collect)

    def _collect(self):
        while True:
            data, pid, fds = _receive(self._socket)
            for fd in fds:  # a record too long for a datagram comes as a sealed memfd
                size = os.fstat(fd).st_size
                data = os.pread(fd, size, 0) or data
                os.close(fd)
            self.records.append(Record(self.parse(data), pid))

    @staticmethod
    def parse(data):
        """FIELD=value lines; a value with newlines comes as FIELD, newline, length, bytes."""
        fields, position = {}, 0
        while position < len(data):
            end = data.find(b"\n", position)
            end = len(data) if end < 0 else end
            line = data[position:end]
            position = end + 1
            if b"=" in line:
                name, _, value = line.partition(b"=")
            elif line:
                name, size = line, struct.unpack_from("<Q", data, position)[0]
                value = data[position + 8:position + 8 + size]
                position += 8 + size + 1
            else:
                continue
            fields[name.decode()] = value.decode(errors="replace")
        return fields

    def find(self, after=0, **fields):
        """Records from index `after` on whose fields match these regular expressions fully."""
        return [record for record in self.records[after:]
                if all(re.fullmatch(pattern, record.get(name, ""), re.DOTALL)
                       for name, pattern in fields.items())]

    def wait(self, timeout=10, after=0, **fields):
        """Wait for a record, as find() describes it, and return it."""
        return wait_until(lambda: self.find(after, **fields), timeout,
                          f"journal record {fields}")[0]


class Daemon:
    """A started daemon.

    log      list of the lines on standard error and output, each with .time
    notify   list of notification messages (whole datagrams, lines joined by newline), with .time
    status   the text of the latest STATUS=, or ""
    """

    _serial = 0

    def __init__(self, command, env, wrap=(), cwd="/", quiet=0.4):
        Daemon._serial += 1
        self.log, self.notify = [], []
        self.quiet = quiet
        self.killed = False
        self.program = os.path.realpath(command[0])
        self.wrapped = bool(wrap)
        path = f"/run/rig/notify-{Daemon._serial}"
        self._socket = _datagrams(path)
        self.process = subprocess.Popen(
            [*wrap, *command], env={"NOTIFY_SOCKET": path, **env}, cwd=cwd,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._log_thread = _thread(self._collect_log)
        _thread(self._collect_notify)

    def _collect_log(self):
        for line in self.process.stdout:
            self.log.append(Timed(line.decode(errors="replace").rstrip("\n")))

    def _collect_notify(self):
        while True:
            data, _, fds = _receive(self._socket)
            for fd in fds:  # closing it is the answer to BARRIER=1
                os.close(fd)
            self.notify.append(Timed(data.decode(errors="replace").rstrip("\n")))

    # -- what it said

    @property
    def status(self):
        """The latest STATUS= text."""
        for message in reversed(list(self.notify)):
            for line in reversed(message.split("\n")):
                if line.startswith("STATUS="):
                    return line[7:]
        return ""

    def mark(self):
        """A point in time for the `after=` of the methods below."""
        return time.monotonic()

    def _wait(self, texts, pattern, timeout, after, kind):
        def found():
            hit = search(pattern, [text for text in list(texts) if text.time > after])
            if hit is None and not self.running:
                time.sleep(0.1)  # its last words may still be on their way
                hit = search(pattern, [text for text in list(texts) if text.time > after])
                expect(hit is not None, f"{kind} {pattern!r}: the daemon ended first, "
                                        f"with status {self.process.returncode}")
            return hit
        return wait_until(found, timeout, f"{kind} {pattern!r}")

    def wait_notify(self, pattern, timeout=10, after=0.0):
        """Wait for a notification that matches the regular expression; returns it."""
        return self._wait(self.notify, pattern, timeout, after, "notification")

    def wait_status(self, pattern, timeout=10):
        """Wait until the latest STATUS= matches; returns it."""
        return wait_until(lambda: re.search(pattern, self.status) and self.status, timeout,
                          lambda: f"STATUS= {pattern!r} (it is {self.status!r})")

    def wait_log(self, pattern, timeout=10, after=0.0):
        """Wait for a line of the log that matches the regular expression; returns it."""
        return self._wait(self.log, pattern, timeout, after, "log line")

    def count_log(self, pattern, after=0.0):
        """How many lines of the log match."""
        return sum(1 for line in list(self.log) if line.time > after and re.search(pattern, line))

    # -- what it is

    @property
    def running(self):
        """Whether it has not ended yet."""
        return self.process.poll() is None

    @property
    def pid(self):
        """PID of the daemon itself, below strace and the like too."""
        if self.wrapped:
            for name in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.path.realpath(f"/proc/{name}/exe") == self.program \
                            and self.process.pid in _ancestors(int(name)):
                        return int(name)
                except OSError:
                    continue
        return self.process.pid

    def fds(self, below=None):
        """Targets of its open descriptors; only those at or below a path if one is given."""
        targets, directory = [], f"/proc/{self.pid}/fd"
        for name in os.listdir(directory):
            try:
                targets.append(os.readlink(f"{directory}/{name}"))
            except OSError:
                continue
        if below is None:
            return targets
        return [path for path in targets if path == below or path.startswith(below + "/")]

    def _pulse(self):
        """A value that changes whenever the daemon does anything at all."""
        counts = []
        for task in sorted(os.listdir(f"/proc/{self.pid}/task")):
            with open(f"/proc/{self.pid}/task/{task}/status", encoding="ascii") as file:
                counts += re.findall(r"ctxt_switches:\s*(\d+)", file.read())
        return counts

    def esp_fds(self):
        """Targets of its open descriptors on any ESP, opened by whichever path."""
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            fields = [line.split() for line in file]
        devices = {os.makedev(*map(int, field[2].split(":")))
                   for field in fields if re.search(r"@[a-z]$", field[4])}
        held, directory = [], f"/proc/{self.pid}/fd"
        for name in os.listdir(directory):
            try:
                if os.stat(f"{directory}/{name}").st_dev in devices:
                    held.append(os.readlink(f"{directory}/{name}"))
            except OSError:
                continue
        return held

    def wait_idle(self, timeout=20, quiet=None):
        """Wait until it has not run at all for `quiet` seconds and holds no file on an ESP.

        `quiet` must be longer than DebounceSec, else a pending round looks like idleness; its
        default suits the machine's default configuration.
        """
        quiet = (quiet or self.quiet) * min(SLOW, 1.5)
        state = {"pulse": None, "since": 0.0}

        def idle():
            expect(self.running, lambda: f"the daemon ended with {self.process.returncode}")
            pulse, now = self._pulse(), time.monotonic()
            if pulse != state["pulse"] or self.esp_fds():
                state.update(pulse=pulse, since=now)
            return now - state["since"] >= quiet
        wait_until(idle, timeout, lambda: f"idle daemon (open on ESPs: {self.esp_fds()})")

    # -- what is done to it

    def signal(self, number):
        """Send a signal."""
        os.kill(self.pid, number)

    def reload(self, wait=True, timeout=10):
        """SIGHUP; waits for RELOADING=1 and then READY=1, as `systemctl reload` would."""
        before = self.mark()
        self.signal(signal.SIGHUP)
        if wait:
            self.wait_notify(r"^RELOADING=1$", timeout, before)
            self.wait_notify(r"^READY=1$", timeout, before)

    def stop(self, timeout=15):
        """SIGTERM; returns the exit status (negative: the signal that killed it)."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """SIGKILL, and wait for its end."""
        self.killed = True
        if self.running:
            self.signal(signal.SIGKILL)
        return self.wait(10)

    def wait(self, timeout=15):
        """Wait for its end; returns the exit status."""
        try:
            status = self.process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise Failed(f"the daemon did not end within {timeout * SLOW:g} s") from None
        self._log_thread.join(1)
        return status

    # -- what the harness asks at the end

    def verdict(self):
        """A reason why this daemon alone makes the scenario fail, or None."""
        if search(_SANITIZER.pattern, list(self.log)):
            return "a sanitizer reported an error"
        status = self.process.poll()
        if status is not None and status < 0 and not self.killed:
            return f"the daemon died of {signal.Signals(-status).name}"
        return None

    def report(self):
        """All that it said, for a failed scenario."""
        start = min([text.time for text in self.log + self.notify], default=0)
        lines = [f"  {line.time - start:8.3f}  {kind} {part}"
                 for kind, texts in (("log   ", self.log), ("notify", self.notify))
                 for line in texts for part in line.split("\n")]
        state = "running" if self.running else f"ended with {self.process.returncode}"
        return "\n".join([f"daemon {self.process.pid}, {state}:", *sorted(lines)])


def _ancestors(pid):
    while pid > 1:
        yield pid
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
