# SPDX-License-Identifier: LGPL-2.1-or-later
"""The verbs and their exit statuses, and the words: log lines, STATUS=, progress, the journal."""

import hashlib
import os
import pty
import re
import shutil
import signal
import subprocess
import time

from machine import *

LEVELS = "emergency|alert|critical|error|warning|notice|info|debug"
IDS = re.compile("[0-9a-f]{32}")
PIECE_DELAY = 400000  # microseconds for each piece that a slow disk takes
SLOW_DISK = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sync_file_range", "-e",
             f"inject=sync_file_range:delay_enter={PIECE_DELAY}"]
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}  # the leak check does not work below strace
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def install(m, version="6.9.1", where=None, **given):
    """A small kernel, and a boot loader if there is none."""
    where = where or m.boot_dir()
    if not os.path.isdir(f"{where}/loader"):
        m.skeleton(m.booted)
    m.add_kernel(version, where=where, linux_mb=0.1, initrd_mb=0.1, **given)


def bound(m):
    """A machine with a kernel on its booted ESP, which is bound."""
    install(m)
    m.run("bind", check=0)


def image(m, x):
    """Digest of all that is on the disk of ESP x, file system and all."""
    m.sync()
    state = hashlib.sha256()
    with open(m.device(x), "rb") as file:
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def on_b(m, *paths):
    """Which of these are on ESP b."""
    return [path for path in paths if os.path.exists(f"{m.esp('b')}/{path}")]


# -- calls

@scenario()
def scenario_help_and_version(m):
    """--help and --version: 0, on standard output, and nothing is done."""
    for option in ("--help", "-h"):
        result = m.run(option, check=0)
        for word in ("run", "bind", "sync", "diff", "--config FILE", "--prune", "--yes",
                     "--version", "Exit status", "bootsyncd(8)"):
            expect(word in result.stdout, f"{word}: {result}")
        expect(result.stderr == "", f"{result}")
    result = m.run("--version", check=0)
    expect(re.fullmatch(r"bootsyncd \d+(\.\d+)*\S*\n", result.stdout), f"{result}")
    expect(m.run("--help", wrap=AS_NOBODY).status == 0, "needs no root")
    expect(m.bound() is None, "bound")


@scenario()
def scenario_wrong_calls(m):
    """A call that makes no sense: 2, what is wrong with it, where help is; and nothing is done."""
    for words, text in ((["wash"], "there is no such verb: wash"),
                        (["bind", "sync"], "one verb is enough: sync"),
                        (["--frobnicate"], "frobnicate"),
                        (["--config"], "requires an argument"),
                        (["--prune"], "--prune and --yes go with sync"),
                        (["diff", "--prune"], "--prune and --yes go with sync"),
                        (["bind", "-y"], "--prune and --yes go with sync"),
                        (["sync", "--yes"], "--yes goes with --prune"),
                        ([""], "there is no such verb")):
        result = m.run(*words, check=2)
        expect(text in result.stderr and "Try 'bootsyncd --help'" in result.stderr, f"{result}")
        expect(result.stdout == "", f"{result}")
    expect(m.bound() is None, "bound")


@scenario()
def scenario_not_root(m):
    """Each verb needs root: 77."""
    for words in ([], ["run"], ["bind"], ["sync"], ["diff"]):
        result = m.run(*words, wrap=AS_NOBODY, check=77)
        expect(result.stderr == "error: This needs root\n", f"{result}")


# -- sync

@scenario(esps="abc", mounted="ab")
def scenario_sync(m):
    """`sync` is one round: 0 if all is in sync, also when there was nothing to do; 1 if a target
    is missing, held back or refused, or the source is."""
    bound(m)
    os.rmdir(m.esp("c"))
    result = m.run("sync", check=0)
    expect(re.search(r"^info: /boot@b: mirrored 3 files", result.stderr, re.M), f"{result}")
    m.assert_mirrored("b")
    m.run("sync", check=0)
    os.mkdir(m.esp("c"))
    result = m.run("sync", check=1)
    expect(result.stderr.startswith("warning: /boot@c is not mounted"), f"{result}")
    os.rmdir(m.esp("c"))
    m.remount_ro("b")
    result = m.run("sync", check=1)
    expect("error: /boot@b is read-only" in result.stderr, f"{result}")
    m.remount_rw("b")
    m.run("sync", check=0)
    os.mkdir("/lib/modules/6.9.9")
    result = m.run("sync", check=1)
    expect("warning: /boot does not hold the newest kernel of /lib/modules, 6.9.9: nothing is "
           "mirrored" in result.stderr, f"{result}")


@scenario(esps="abc")
def scenario_sync_does_the_others(m):
    """A target that cannot be brought up to date does not keep `sync` from the others."""
    bound(m)
    m.remount_ro("b")
    m.run("sync", check=1)
    m.assert_mirrored("c")


@scenario()
def scenario_sync_without_bind(m):
    """`sync` and `diff` bind nothing: without the bind they say so, and end with 1."""
    install(m)
    for verb in ("sync", "diff"):
        result = m.run(verb, check=1)
        expect("warning: /boot is no mount point: nothing is mirrored" in result.stderr and
               "'bootsyncd bind'" in result.stderr, f"{result}")
    expect(m.bound() is None and tree(m.esp("b")) == {}, "something was done")


@scenario(esps="a")
def scenario_sync_alone(m):
    """A machine with a single ESP has nothing to do."""
    bound(m)
    m.run("sync", check=0)
    m.run("diff", check=0)


# -- one at a time

@scenario()
def scenario_one_at_a_time(m):
    """While a daemon runs, `sync` and another daemon end with 75, name its process and write
    nothing; `bind` has nothing to do.  After its end, a kill too, the next one can start."""
    bound(m)
    d = m.start(config=CONFIG.replace("200ms", "1min").replace("MaxDelaySec=2s", "MaxDelaySec=1h"))
    m.wait_mirrored("b")
    d.wait_idle()
    before = tree(m.esp("b"))
    install(m, "6.9.2")
    for words in (["sync"], ["run"], [], ["sync", "--prune", "--yes"]):
        result = m.run(*words, check=75)
        expect(f"error: Another bootsyncd is at work (process {d.pid})" in result.stderr,
               f"{result}")
    m.run("bind", check=0)
    expect(tree(m.esp("b")) == before, "b was written to")
    d.kill()
    m.run("sync", check=0)
    m.assert_mirrored("b")
    d = m.start()
    expect(d.stop() == 0, "exit status")


@scenario()
def scenario_lock_while_killed_at_work(m):
    """A daemon that is killed in the middle of a copy keeps nobody out."""
    m.skeleton("a")
    m.add_kernel("6.9.1", linux_mb=0.1, initrd_mb=6)
    d = m.start(wrap=SLOW_DISK, env=NO_LEAKS)
    d.wait_status("updating, [1-9]")
    d.kill()
    d.process.kill()
    m.run("sync", check=0)
    m.assert_mirrored("b")


# -- diff

@scenario(size=16 << 20, fat=16)
def scenario_diff_alone(m):
    """`diff` lists what `sync` would do and writes nothing at all, to no disk and no state: 1 if
    there are differences, else 0."""
    bound(m)
    m.run("sync", check=0)
    m.run("diff", check=0)
    install(m, "6.9.2")
    m.remove_kernel("6.9.1")
    tree("/boot"), tree(m.esp("b"))  # reading sets access times once
    before = [image(m, "a"), image(m, "b"), tree("/var/lib/bootsync")]
    result = m.run("diff", check=1)
    expect([image(m, "a"), image(m, "b"), tree("/var/lib/bootsync")] == before, "written to")
    lines = result.stdout.splitlines()
    token = m.token
    expect(lines[0] == f"/boot@b: make directory {token}/6.9.2", f"{lines}")
    expect(f"/boot@b: write {token}/6.9.2/linux (104857 bytes)" in lines, f"{lines}")
    expect(any(line.startswith(f"/boot@b: write loader/entries/{token}-6.9.2.conf (")
               for line in lines), f"{lines}")
    for path in (f"loader/entries/{token}-6.9.1.conf", f"{token}/6.9.1/linux",
                 f"{token}/6.9.1/initrd.img-6.9.1", f"directory {token}/6.9.1"):
        expect(f"/boot@b: remove {path}" in lines, f"{path}: {lines}")
    m.run("sync", check=0)
    result = m.run("diff", check=0)
    expect(result.stdout == "", f"{result}")


@scenario()
def scenario_diff_beside_a_daemon(m):
    """`diff` works beside a running daemon, and does not disturb it."""
    bound(m)
    d = m.start(config=CONFIG.replace("200ms", "1min").replace("MaxDelaySec=2s", "MaxDelaySec=1h"))
    m.wait_mirrored("b")
    m.run("diff", check=0)
    d.wait_idle()
    install(m, "6.9.2")
    before = tree(m.esp("b"))
    result = m.run("diff", check=1)
    expect("/boot@b: write " in result.stdout and tree(m.esp("b")) == before, f"{result}")
    expect(d.running and d.stop() == 0, "the daemon")
    m.assert_mirrored("b")


@scenario(esps="abc", mounted="ab")
def scenario_diff_with_a_missing_target(m):
    """A target that is missing, or refused, is a difference too, and said."""
    bound(m)
    result = m.run("diff", check=1)
    expect("warning: /boot@c is not mounted" in result.stderr, f"{result}")
    expect("/boot@b: write" in result.stdout and "/boot@c" not in result.stdout, f"{result}")


# -- sync --prune

@scenario()
def scenario_prune(m):
    """`sync --prune` shows what nobody saw go, asks, and removes it only if told so; all else that
    `sync` does it does as well."""
    bound(m)
    m.run("sync", check=0)
    write(f"{m.esp('b')}/{m.token}/6.9.1/stray", "x")
    write(f"{m.esp('b')}/foreign", "x")
    stray = f"{m.token}/6.9.1/stray"
    result = m.run("sync", check=0)
    expect(f"notice: /boot@b: {stray} is not on /boot, and nobody saw it go: it stays. 'bootsyncd "
           "sync --prune' removes it" in result.stderr and on_b(m, stray), f"{result}")
    for answer in ("n\n", "", "\n", "no\n", "yesterday\n", "q\ny\n", "y" * 99):
        result = m.run("sync", "--prune", stdin=answer, check=1)
        expect(f"/boot@b: remove {stray}\n" in result.stdout and "[y/N]" in result.stdout
               and "Nothing was removed" in result.stdout, f"{result}")
        expect(on_b(m, stray), f"removed after {answer!r}")
    install(m, "6.9.2")
    result = m.run("sync", "--prune", stdin="y\n", check=0)
    expect("write" not in result.stdout and on_b(m, stray, "foreign") == ["foreign"], f"{result}")
    m.assert_mirrored("b")
    result = m.run("sync", "--prune", check=0)
    expect(result.stdout == "There is nothing to prune.\n", f"{result}")
    write(f"{m.esp('b')}/{stray}", "x")
    result = m.run("sync", "--prune", "-y", check=0)
    expect("[y/N]" not in result.stdout and f"remove {stray}" in result.stdout and
           not on_b(m, stray), f"{result}")
    for answer in ("Y\n", "yes\n", "YES\n"):
        write(f"{m.esp('b')}/{stray}", "x")
        m.run("sync", "--prune", stdin=answer, check=0)
        expect(not on_b(m, stray), f"not removed after {answer!r}")


@scenario()
def scenario_prune_of_a_newer_kernel(m):
    """A target that is refused because of a newer kernel of unknown origin is shown what would go,
    and taken after a yes."""
    bound(m)
    m.add_kernel("6.10.0", where=m.esp("b"), linux_mb=0.1, initrd_mb=0.1)
    shutil.rmtree("/lib/modules/6.10.0")
    result = m.run("sync", check=1)
    expect("error: /boot@b holds the kernel 6.10.0, which is newer than 6.9.1" in result.stderr
           and "'bootsyncd sync --prune' shows what would go" in result.stderr, f"{result}")
    expect(not on_b(m, f"{m.token}/6.9.1"), "it was not left as it is")
    before = tree(m.esp("b"))
    result = m.run("sync", "--prune", stdin="n\n", check=1)
    expect(f"remove loader/entries/{m.token}-6.10.0.conf" in result.stdout, f"{result}")
    expect(tree(m.esp("b")) == before, "b was written to")
    m.run("sync", "--prune", stdin="y\n", check=0)
    m.assert_mirrored("b")


# -- words

@scenario(esps="abc", mounted="ab")
def scenario_lines_have_levels(m):
    """Off the journal each message is a line of its own that begins with its level."""
    install(m)
    d = m.start(config=CONFIG + "[Log]\nLevel=debug\n")
    m.wait_mirrored("b")
    expect(d.stop() == 0, "exit status")
    for line in d.log:
        expect(re.match(f"({LEVELS}): .", line), line)
    for level in ("info", "warning", "debug"):
        expect(d.count_log(f"^{level}: ") > 0, f"no {level}: {d.log}")


@scenario()
def scenario_level(m):
    """Level= leaves out what is less important, and nothing else."""
    bound(m)
    os.mkdir("/boot@c")
    for level, seen in (("err", ""), ("warning", "warning"), ("info", "info warning")):
        m.config(CONFIG + f"[Log]\nLevel={level}\n")
        shutil.rmtree(f"{m.esp('b')}/loader", ignore_errors=True)
        result = m.run("sync", check=1)
        levels = sorted({line.split(":")[0] for line in result.stderr.splitlines()})
        expect(" ".join(levels) == seen, f"{level}: {result}")


@scenario(fs_only="ext4")
def scenario_hostile_names(m):
    """Names with control characters, newlines and bytes that are no UTF-8 are escaped in the log
    and in what `diff` and `--prune` print: one line stays one line."""
    bound(m)
    names = {b"new\nline": "new\\x0aline", b"esc\x1b[31m": "esc\\x1b[31m", b"bell\x07": "bell\\x07",
             b"bad\xff\xfe": "bad\\xff\\xfe", b"back\\slash": "back\\\\slash",
             "bidi\u202e".encode(): "bidi\\xe2\\x80\\xae", "ümlaut".encode(): "ümlaut"}
    directory = f"/boot/{m.token}/6.9.1".encode()
    for name in names:
        with open(directory + b"/" + name, "wb") as file:
            file.write(b"x")
    os.symlink("x", directory + b"/li\nnk")

    def check(lines, pattern, suffix, shown):
        for line in lines:
            expect(re.match(pattern, line) and line.isprintable(), repr(line))
        for name in shown:
            expect(sum(f"{m.token}/6.9.1/{name}{suffix}" in line for line in lines) == 1,
                   f"{name}: {lines}")
    result = m.run("diff", check=1)
    check(result.stdout.splitlines(), "/boot@b: ", " (1 bytes)", names.values())
    check(result.stderr.splitlines(), f"({LEVELS}): .", " is no regular file", ["li\\x0ank"])
    d = m.start()
    m.wait_mirrored("b", scope=[f"{m.token}/6.9.1/linux", f"loader/entries/{m.token}-"])
    d.wait_status("in sync")
    expect(d.stop() == 0, "exit status")
    check(d.log, f"({LEVELS}): .", " is no regular file", ["li\\x0ank"])
    for name in names:
        os.unlink(directory + b"/" + name)
    result = m.run("sync", check=1)
    check(result.stderr.splitlines(), f"({LEVELS}): .", " is not on /boot", names.values())
    result = m.run("sync", "--prune", "--yes", check=1)
    check(result.stdout.splitlines(), "/boot@b: ", "", names.values())


@scenario(esps="abcd", mounted="abc")
def scenario_states_are_said_once(m):
    """A state is said when it begins, not each time that it is seen; and again when it comes back.
    For targets, the source, and single entries."""
    install(m)
    entry = m.write_entry(f"{m.token}-6.9.0.conf", version="6.9.0")
    m.remount_ro("c")
    d = m.start()
    states = (f"^warning: The boot entry /boot/loader/entries/{m.token}-6.9.0.conf names "
              f"{m.token}/6.9.0/linux, which is missing or empty: it is not mirrored$",
              "^error: /boot@c is read-only", "^warning: /boot@d is not mounted")

    def counts():
        return [d.count_log(state) for state in states]
    d.wait_status("/boot@b")
    for _ in range(3):
        d.reload()
        d.wait_idle(quiet=0.3)
    expect(counts() == [1, 1, 1], f"{counts()}: {d.log}")
    os.unlink(entry)
    m.remount_rw("c")
    m.mount("d")
    m.wait_mirrored("b", "c", "d")
    d.wait_log("^info: /boot@d is mounted$")
    d.wait_status("b in sync.*c in sync.*d in sync")
    m.write_entry(f"{m.token}-6.9.0.conf", version="6.9.0")
    m.remount_ro("c")
    m.umount("d")
    wait_until(lambda: counts() == [2, 2, 2], 10, lambda: f"said again: {counts()}")
    d.reload()
    d.wait_idle()
    expect(counts() == [2, 2, 2], f"{counts()}: {d.log}")


@scenario()
def scenario_source_states_are_said_once(m):
    """The same for a guard of the source."""
    install(m)
    os.mkdir("/lib/modules/6.9.9")
    state = "^warning: /boot does not hold the newest kernel of /lib/modules, 6.9.9"
    d = m.start()
    d.wait_log(state)
    for _ in range(2):
        d.reload()
        d.wait_idle(quiet=0.3)
    expect(d.count_log(state) == 1, f"{d.log}")
    os.rmdir("/lib/modules/6.9.9")
    d.reload()
    m.wait_mirrored("b")
    os.mkdir("/lib/modules/6.9.9")
    d.reload()
    wait_until(lambda: d.count_log(state) == 2, 5, "said again")


@scenario(esps="abcd", mounted="abc")
def scenario_status(m):
    """STATUS= is one line: which ESP is the source, which targets are in sync since when, and what
    holds back the others."""
    install(m)
    m.remount_ro("c")
    d = m.start()
    stamp = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    line = d.wait_status(rf"^/boot is /boot@a; /boot@b in sync {stamp}; /boot@c held back "
                         rf"{stamp} .see the journal.; /boot@d not mounted {stamp}$")
    time.sleep(1.1)
    d.reload()
    d.wait_idle()
    expect(d.status == line, f"nothing has changed: {d.status}")
    m.mount("d")
    d.wait_status(rf"/boot@d in sync {stamp}$")
    expect(line.split("; ")[1] in d.status, f"b was in sync before: {d.status}")
    m.umount("d")
    d.wait_status(rf"/boot@d not mounted {stamp}$")
    os.mkdir("/lib/modules/6.9.9")
    d.reload()
    d.wait_status("; held back by the source .see the journal.$")
    os.rmdir("/lib/modules/6.9.9")
    m.write_entry(f"{m.token}-6.9.0.conf", version="6.9.0")
    d.reload()
    d.wait_status("/boot@b in sync.*; not all files are mirrored .see the journal.$")
    os.unlink(m.entries("6.9.0")[0])
    m.remount_rw("c")
    d.wait_status(rf"^/boot is /boot@a; /boot@b in sync {stamp}; /boot@c in sync {stamp}; /boot@d "
                  rf"not mounted {stamp}$")
    expect(max(map(len, d.notify)) < 400, "not one line")
    said = [text for text in d.notify if text.startswith("STATUS=")]
    expect(all(one != two for one, two in zip(said, said[1:])), f"said twice in a row: {said}")
    expect(d.stop() == 0, "exit status")
    expect(d.notify[-1] == "STOPPING=1" or "STOPPING=1" in d.notify, "goodbye")


@scenario(esps="a")
def scenario_status_without_targets(m):
    """A machine with a single ESP is told so."""
    install(m)
    d = m.start()
    d.wait_status("^/boot is /boot@a; there is no other ESP to mirror to$")


@scenario(dm=True)
def scenario_status_of_a_failing_disk(m):
    """A target whose disk fails is said to have failed, with what failed; and comes back."""
    install(m)
    d = m.start(config=CONFIG + "RescanIntervalSec=1s\n")
    m.wait_mirrored("b")
    d.wait_idle()
    m.break_disk("b")
    install(m, "6.9.2")
    d.wait_status("/boot@b failed since ")
    d.wait_log("^error: /boot@b: .* failed: .*error.*: it is not up to date. It is tried again")


@scenario()
def scenario_progress_in_status(m):
    """A long copy shows its progress in STATUS=."""
    m.skeleton("a")
    m.add_kernel("6.9.1", linux_mb=0.1, initrd_mb=6)
    d = m.start(wrap=SLOW_DISK, env=NO_LEAKS)
    m.wait_mirrored("b", timeout=30)
    d.wait_status("in sync", 30)
    seen = [re.search(r"/boot@b: updating, (\d+) of (\d+) MB$", text) for text in d.notify]
    done = [int(hit[1]) for hit in seen if hit]
    totals = {hit[2] for hit in seen if hit}
    expect(len(set(done)) >= 3 and done == sorted(done) and len(totals) == 1, f"{d.notify}")
    expect(0 < done[-1] <= int(totals.pop()), f"{d.notify}")


def on_terminal(m, *words, answer=None, to=b"[y/N]", wrap=()):
    """Run a verb on a terminal, and type an answer once it shows what that is to; returns (exit
    status, all that was written to the terminal)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(["setsid", "--ctty", "--wait", *wrap, m.binary, *words],
                               stdin=slave, stdout=slave, stderr=slave,
                               env={**NO_LEAKS, "PATH": "/usr/bin:/bin", "TERM": "linux"})
    os.close(slave)
    text = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        text += piece
        if answer is not None and to in text:
            os.write(master, answer)
            answer = None
    os.close(master)
    return process.wait(60), text.decode()


@scenario()
def scenario_progress_on_a_terminal(m):
    """On a terminal a long copy shows its progress in a line that is overwritten, and gone in the
    end; messages stay lines with a level."""
    m.skeleton("a")
    m.add_kernel("6.9.1", linux_mb=0.1, initrd_mb=6)
    m.run("bind", check=0)
    status, text = on_terminal(m, "sync", wrap=SLOW_DISK)
    expect(status == 0, text)
    shown = re.findall(r"\r\x1b\[K/boot@b: updating, (\d+) of \d+ MB", text)
    expect(len(set(shown)) >= 3, repr(text))
    left = [re.sub(r".*\r\x1b\[K", "", line) for line in text.split("\r\n")]
    expect(left[-1] == "" and all(re.match(f"({LEVELS}): .", line) for line in left[:-1]),
           repr(text))
    expect(m.run("sync").stderr.count("\r") == 0, "no progress off a terminal")
    shutil.rmtree(f"{m.esp('b')}/{m.token}")
    status, text = on_terminal(m, "sync", answer=b"\x03", to=b" of ", wrap=SLOW_DISK)
    expect(status == 1 and text.endswith("\r\x1b[K"), f"{status} {text!r}")


@scenario()
def scenario_prune_on_a_terminal(m):
    """`sync --prune` on a terminal: the question, both answers, and their exit statuses."""
    bound(m)
    m.run("sync", check=0)
    stray = f"{m.token}/6.9.1/stray"
    write(f"{m.esp('b')}/{stray}", "x")
    status, text = on_terminal(m, "sync", "--prune", answer=b"n\n")
    expect(status == 1 and "Nothing was removed." in text and on_b(m, stray), repr(text))
    status, text = on_terminal(m, "sync", "--prune", answer=b"\x04")
    expect(status == 1 and on_b(m, stray), repr(text))
    status, text = on_terminal(m, "sync", "--prune", answer=b"\x03")
    expect(status == -signal.SIGINT and on_b(m, stray), f"{status} {text!r}")
    status, text = on_terminal(m, "sync", "--prune", answer=b"y\n")
    expect(status == 0 and not on_b(m, stray), repr(text))
    expect(text.index("remove ") < text.index("[y/N]"), repr(text))
    expect(on_terminal(m, "diff")[0] == 0, "in sync")


# -- the journal

IN_JOURNAL = ["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0" "$@"']


@scenario(esps="abc", mounted="ab")
def scenario_journal(m):
    """When its standard error is the journal's, messages go there natively, with their fields, and
    nowhere else."""
    install(m)
    old = time.time() - 60
    for name in os.listdir(f"{m.esp('a')}/{m.token}/6.9.1"):
        os.utime(f"{m.esp('a')}/{m.token}/6.9.1/{name}", (old, old))
    d = m.start(wrap=IN_JOURNAL)
    m.wait_mirrored("b")
    missing = m.journal.wait(BOOTSYNC_REASON="target-missing")
    expect(missing["PRIORITY"] == "4" and missing["BOOTSYNC_ESP"] == "/boot@c" and
           missing["MESSAGE"].startswith("/boot@c is not mounted") and
           missing["MESSAGE_ID"] == "cf6b6254c7785345a6dba7b8d2e84998" and
           missing["SYSLOG_IDENTIFIER"] == "bootsyncd" and missing["BOOTSYNC_GUARD"] == "8",
           f"{missing}")
    mirrored = m.journal.wait(BOOTSYNC_REASON="mirrored")
    size = sum(entry[1] for entry in tree(m.esp("b")).values() if entry[0] == "f")
    expect(mirrored["BOOTSYNC_BYTES"] == str(size) and int(mirrored["BOOTSYNC_USEC"]) > 0 and
           mirrored["BOOTSYNC_ESP"] == "/boot@b" and mirrored["PRIORITY"] == "6", f"{mirrored}")
    d.wait_idle()
    write(f"{m.esp('b')}/{m.token}/6.9.1/linux", "rotten")
    d.reload()
    drift = m.journal.wait(BOOTSYNC_REASON="drift")
    expect(drift["BOOTSYNC_PATH"] == f"{m.token}/6.9.1/linux", f"{drift}")
    expect(d.stop() == 0 and d.log == [], f"said twice: {d.log}")
    for record in m.journal.records:
        expect(IDS.fullmatch(record["MESSAGE_ID"]) and record["BOOTSYNC_REASON"] and
               record.pid == d.process.pid, f"{record}")


@scenario()
def scenario_message_ids(m):
    """Each kind of message has a MESSAGE_ID of its own."""
    install(m)
    m.run("bind", check=0)
    os.mkdir("/boot@c")
    os.mkdir("/lib/modules/6.9.9")
    m.run("sync", wrap=IN_JOURNAL, check=1)
    os.rmdir("/lib/modules/6.9.9")
    m.run("sync", wrap=IN_JOURNAL, check=1)
    m.config("[ESP]\nBind=perhaps\nColour=red\n")
    m.run("sync", wrap=IN_JOURNAL, check=78)
    wait_until(lambda: m.journal.find(BOOTSYNC_REASON="config-refused"), 5, "records")
    kinds = {(r["BOOTSYNC_REASON"], r["MESSAGE_ID"]) for r in m.journal.records}
    expect(len(kinds) >= 6 and len({i for _, i in kinds}) == len({n for n, _ in kinds})
           == len(kinds), f"{kinds}")


# -- goodbye

@scenario()
def scenario_interrupt(m):
    """SIGINT ends a daemon on a terminal as SIGTERM does: what is pending is done, exit status
    0."""
    install(m)
    d = m.start(config=CONFIG.replace("200ms", "1min").replace("MaxDelaySec=2s", "MaxDelaySec=1h"))
    m.wait_mirrored("b")
    install(m, "6.9.2")
    d.signal(signal.SIGINT)
    expect(d.wait() == 0, "exit status")
    m.assert_mirrored("b")
    expect("STOPPING=1" in d.notify, "goodbye")


@scenario()
def scenario_interrupted_sync(m):
    """Control-C gives the prompt back at once, whatever `sync` is at: exit status 1; what was left
    behind is tidied up by the next one."""
    m.skeleton("a")
    m.add_kernel("6.9.1", linux_mb=0.1, initrd_mb=6)
    m.run("bind", check=0)
    d = m.start(["sync"], wait_ready=False, wrap=SLOW_DISK, env=NO_LEAKS)
    temporary = f"{m.esp('b')}/{m.token}/6.9.1"
    wait_until(lambda: os.path.isdir(temporary) and
               any(name.startswith(".") for name in os.listdir(temporary)), 10, "copying")
    since = time.monotonic()
    d.signal(signal.SIGINT)
    expect(d.wait() == 1, "exit status")
    expect(time.monotonic() - since < 1 * SLOW, "it went on")
    m.run("sync", check=0)
    m.assert_mirrored("b")
    expect(not any(name.startswith(".") for name in os.listdir(temporary)), "leftovers")


@scenario()
def scenario_lock_that_cannot_be_had(m):
    """Without the lock nothing is done, which is said."""
    bound(m)
    m.tmpfs("/run/bootsync", readonly=True)
    for words in (["sync"], []):
        result = m.run(*words, check=1)
        expect(result.stderr == "error: /run/bootsync/lock cannot be locked: Read-only file "
                                "system\n", f"{result}")
    expect(tree(m.esp("b")) == {}, "b was written to")


@scenario()
def scenario_watchdog(m):
    """The service manager's watchdog is fed by progress, and off while there is nothing to do."""
    m.skeleton("a")
    m.add_kernel("6.9.1", linux_mb=0.1, initrd_mb=4)
    d = m.start(wrap=SLOW_DISK, env={**NO_LEAKS, "WATCHDOG_USEC": "3000000"})
    m.wait_mirrored("b", timeout=30)
    d.wait_status("in sync", 30)
    d.wait_notify("^WATCHDOG_USEC=0$")
    words = [text for text in d.notify if text.startswith("WATCHDOG")]
    expect(words[0] == "WATCHDOG_USEC=3000000\nWATCHDOG=1" and words[-1] == "WATCHDOG_USEC=0",
           f"{words}")
    expect(words.count("WATCHDOG=1") >= 5, f"{words}")
    before = len(d.notify)
    hold(lambda: len(d.notify) == before, 0.7, "nothing is said while idle")


@scenario()
def scenario_unbound(m):
    """When ROOT is unbound under it, the daemon says so, writes nothing and ends with 69."""
    install(m)
    d = m.start()
    m.wait_mirrored("b")
    d.wait_idle()
    before = tree(m.esp("b"))
    m.umount(m.root)
    expect(d.wait() == 69, "exit status")
    d.wait_log("^critical: /boot is not bound to .*: nothing is written, and the daemon ends")
    expect(not any("  " in line for line in d.log), f"a word is missing: {d.log}")
    expect(tree(m.esp("b")) == before, "written to")
