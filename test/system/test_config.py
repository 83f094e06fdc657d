# SPDX-License-Identifier: LGPL-2.1-or-later
"""The configuration: what is wrong with it is said and where, reload, and what each key does."""

import os
import re
import shutil
import time

from machine import *

FILE = "/etc/bootsync/bootsync.conf"
SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf/bootsync.conf")
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}  # the leak check does not work below strace
OTHER_ID = "fedcba9876543210fedcba9876543210"


def install(m, version="6.9.1", **given):
    """A small kernel, and a boot loader if there is none."""
    if not os.path.isdir(f"{m.boot_dir()}/loader"):
        m.skeleton(m.booted)
    m.add_kernel(version, linux_mb=0.1, initrd_mb=0.1, **given)


def config(**changes):
    """The machine's usual settings with some of them changed or added: key="value" with the
    section in front, as Mirror_DebounceSec="1s"."""
    text = CONFIG
    for name, value in changes.items():
        section, key = name.split("_")
        text = re.sub(rf"(?m)^{key}=.*\n", "", text)
        if f"[{section}]" not in text:
            text += f"\n[{section}]\n"
        text = text.replace(f"[{section}]\n", f"[{section}]\n{key}={value}\n")
    return text


def expect_lines(result, *lines):
    """Standard error is exactly these lines; "…" in one stands for any text."""
    said = result.stderr.splitlines()
    patterns = [".*".join(map(re.escape, line.split("…"))) for line in lines]
    expect(len(said) == len(lines) and all(map(re.fullmatch, patterns, said)),
           lambda: "expected\n" + "\n".join(lines) + f"\ngot {result}")


REFUSED = "error: The configuration is not usable: see above"


def refused(m, text, *lines):
    """Every start with this file ends with 78, and these lines."""
    m.config(text)
    result = m.run(check=78)
    expect_lines(result, *lines, REFUSED)
    expect(m.bound() is None, "something was done all the same")


# -- mistakes

@scenario()
def scenario_bad_values(m):
    """A value that a key does not take: file, line, value and what is allowed; exit status 78."""
    for section, key, value, shown, allowed in (
            ("ESP", "Root", "boot", "boot", "an absolute path"),
            ("ESP", "Root", "/", "/", "an absolute path"),
            ("ESP", "Root", "/boot/../efi", "/boot/../efi", "an absolute path"),
            ("ESP", "Root", "", "", "an absolute path"),
            ("ESP", "Bind", "maybe", "maybe", "yes or no"),
            ("ESP", "BindTimeoutSec", "2 parsecs", "2 parsecs", "a time span from 0 to 1h"),
            ("ESP", "BindTimeoutSec", "61min", "61min", "a time span from 0 to 1h"),
            ("ESP", "FileSystems", "vfat ntfs", "ntfs", "a list of vfat and ext4"),
            ("ESP", "FileSystems", "", "", "a list of vfat and ext4"),
            ("Mirror", "EntryToken", "auto loader", "auto", "auto, or a list"),
            ("Mirror", "EntryToken", "a/b", "a/b", "auto, or a list"),
            ("Mirror", "DebounceSec", "-1s", "-1s", "a time span from 0 to 1h"),
            ("Mirror", "MaxDelaySec", "99ms", "99ms", "a time span from 100ms to 1d"),
            ("Mirror", "RescanIntervalSec", "10ms", "10ms", "a time span from 1s to 365d"),
            ("Mirror", "ExtraPaths", "a/../b", "a/../b", "a list of paths below the ESP"),
            ("Verify", "AfterCopy", "2", "2", "yes or no"),
            ("Log", "Level", "loud", "loud", "err, warning, notice, info or debug")):
        refused(m, f"# a comment\n[{section}]\n{key}={value}\n",
                f"error: {FILE}:3: {key}=: '{shown}' is not allowed; it takes {allowed}…")


@scenario()
def scenario_forbidden_extra_paths(m):
    """ExtraPaths= refuses what must never be mirrored, and what holds it."""
    for path in ("loader/random-seed", "LOADER/Random-Seed", "loader/keys/x", "loader", "EFI",
                 "EFI/Microsoft/Boot", "loader/entries.srel", "loader/entries", "EFI/Linux",
                 "FSCK0001.REC"):
        refused(m, f"[Mirror]\nExtraPaths=EFI/systemd {path}\n",
                f"error: {FILE}:2: ExtraPaths=: '{path}' is, or holds, what must never be "
                "mirrored; it takes …loader/random-seed…")


@scenario()
def scenario_mistakes_of_form(m):
    """All mistakes are said at once, each with its line; none hides those behind it."""
    text = ("[ESP]\n"
            "Root=/boot\n"
            "this is junk\n"
            "Bind=no\0\n"
            "Root=/efi\n"
            "[Mirror]\n"
            "ExtraPaths=" + "x" * 9000 + "\n"
            "[broken\n"
            "[Log]\n"
            "Level=loud\n")
    refused(m, text,
            f"error: {FILE}:3: 'this is junk' is neither [Section], Key=value nor a # comment",
            f"error: {FILE}:4: the line holds a NUL byte…: write it anew",
            f"error: {FILE}:5: Root= stands here again, after line 2: remove one of them",
            f"error: {FILE}:7: the line is too long: shorten it…",
            f"error: {FILE}:8: '[broken' is neither…",
            f"error: {FILE}:10: Level=: 'loud' is not allowed; it takes err, warning…")


@scenario()
def scenario_warnings(m):
    """Unknown sections and keys, and a key before any section, are warnings: it starts."""
    install(m)
    d = m.start(config="Early=1\n" + CONFIG + "Colour=red\n[Paint]\nColour=red\nRoot=/nowhere\n")
    lines = [line for line in d.log if line.startswith(("warning", "error"))]
    count = CONFIG.count("\n") + 1
    expect(lines == [
        f"warning: {FILE}:1: Early= stands before any [section]: it is ignored; put [ESP], "
        "[Mirror], [Verify] or [Log] above it",
        f"warning: {FILE}:{count + 1}: unknown key Colour= in [Mirror]: it is ignored; "
        "bootsync.conf(5) has all keys",
        f"warning: {FILE}:{count + 2}: unknown section [Paint]: what it holds is ignored; there "
        "are [ESP], [Mirror], [Verify] or [Log]"], f"{lines}")
    m.wait_mirrored("b")


@scenario()
def scenario_delays_in_order(m):
    """MaxDelaySec= below DebounceSec= is an error at the line that came last, over all files."""
    refused(m, "[Mirror]\nDebounceSec=5s\nMaxDelaySec=4s\n",
            f"error: {FILE}:3: MaxDelaySec=4s: MaxDelaySec= must not be below DebounceSec=")
    m.dropin("[Mirror]\n\nDebounceSec=40s\n", "10")
    refused(m, CONFIG,
            f"error: {FILE}.d/10.conf:3: DebounceSec=40s: MaxDelaySec= must not be below "
            "DebounceSec=")


@scenario()
def scenario_unreadable_files(m):
    """A file that cannot be read is an error that names it, also in bootsync.conf.d; and one that
    --config names must be there."""
    os.unlink(FILE)
    os.mkdir(FILE)
    expect_lines(m.run(check=78), f"error: {FILE} cannot be read: Is a directory. …", REFUSED)
    os.rmdir(FILE)
    os.makedirs(f"{FILE}.d/50-bad.conf")
    expect_lines(m.run(check=78), f"error: {FILE}.d/50-bad.conf cannot be read: Is a directory. …",
                 REFUSED)
    os.rmdir(f"{FILE}.d/50-bad.conf")
    write(f"{FILE}.d/60.conf", "# " + "x" * (256 << 10))
    expect_lines(m.run(check=78), f"error: {FILE}.d/60.conf cannot be read: File too large. …",
                 REFUSED)
    shutil.rmtree(f"{FILE}.d")
    write(f"{FILE}.d", "x")
    expect_lines(m.run(check=78), f"error: {FILE}.d cannot be read: Not a directory. …", REFUSED)
    os.unlink(f"{FILE}.d")
    expect_lines(m.run("--config", "/tmp/none.conf", check=78),
                 "error: /tmp/none.conf cannot be read: No such file or directory. …", REFUSED)
    expect(m.bound() is None, "something was done all the same")


@scenario()
def scenario_hostile_value(m):
    """What a file says is shown without harm to a terminal."""
    refused(m, b"[ESP]\nBind=\x1b[31m\xff\xe2\x80\xae\n",
            f"error: {FILE}:2: Bind=: '\\x1b[31m\\xff\\xe2\\x80\\xae' is not allowed; it takes "
            "yes or no")


# -- which files

@scenario()
def scenario_order_of_files(m):
    """bootsync.conf.d/*.conf comes after bootsync.conf in the order of names, and overrides single
    keys; other names are passed over."""
    m.dropin("[ESP]\nRoot=/one\n", "50")
    m.dropin("[ESP]\nRoot=/two\n[Log]\nLevel=err\n", "9")
    m.dropin("[ESP]\nRoot=/three\n", ".hidden")
    write(f"{FILE}.d/99.conf~", "[ESP]\nRoot=/four\n")
    write(f"{FILE}.d/.conf", "[ESP]\nRoot=/five\n")
    m.config(config(ESP_BindTimeoutSec="100ms", Log_Level="info"))
    for x in "ab":
        m.umount(x)
    os.mkdir("/two@a")
    m.mount("a", at="/two@a")
    os.mkdir("/two")
    expect(m.run("bind", check=0).stderr == "", "Level=err")
    expect("/two" in m.mounts(), "the last file counts")
    os.unlink(f"{FILE}.d/9.conf")
    result = m.run("bind", check=1)
    expect("/one cannot be used" in result.stderr, f"{result}")


@scenario()
def scenario_config_option(m):
    """--config FILE reads FILE and FILE.d/*.conf, and not those of /etc."""
    m.config("junk")
    m.dropin("junk", "10")
    write("/tmp/my.conf", "[ESP]\nFileSystems=ext4\n")
    write("/tmp/my.conf.d/x.conf", "[ESP]\nFileSystems=vfat ext4\n[Log]\nLevel=debug\n")
    install(m)
    for option in (["--config", "/tmp/my.conf"], ["--config=/tmp/my.conf"], ["-c", "/tmp/my.conf"]):
        m.run(*option, "bind", check=0)
    d = m.start(["-c", "/tmp/my.conf"])
    m.wait_mirrored("b")
    write("/tmp/my.conf.d/y.conf", "[Mirror]\nExtraPaths=EFI/BOOT\n")
    d.reload()
    m.wait_mirrored("b", scope=["EFI/BOOT"])


@scenario()
def scenario_shipped_file(m):
    """The shipped file is read without a word and changes nothing: each key stands in it,
    commented out, at its default."""
    with open(SHIPPED, encoding="utf-8") as file:
        text = file.read()
    keys = dict(re.findall(r"(?m)^#(\w+)=(.*)$", text))
    expect(keys == {
        "Root": "/boot", "Bind": "yes", "BindTimeoutSec": "10s", "FileSystems": "vfat",
        "EntryToken": "auto", "DebounceSec": "2s", "MaxDelaySec": "30s",
        "RescanIntervalSec": "1h", "ExtraPaths": "", "AfterCopy": "yes", "Level": "info"},
        f"{keys}")
    for content in (text, re.sub(r"(?m)^#(\w+=)", r"\1", text), ""):
        m.config(content)
        result = m.run("bind", check=0)
        expect(result.stderr.startswith("info: ") and result.stderr.count("\n") == 1, f"{result}")
    expect(m.bound() == "a", "Root=/boot")
    os.unlink(FILE)
    m.run("bind", check=0)


# -- reload

@scenario()
def scenario_reload_protocol(m):
    """SIGHUP: RELOADING=1 with the time, then READY=1; said in the log."""
    install(m)
    d = m.start()
    before = time.monotonic_ns() // 1000
    start = d.mark()
    d.reload()
    text = d.wait_notify("^RELOADING=1$")
    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", text)
    expect(found and before <= int(found[1]) <= time.monotonic_ns() // 1000, text)
    order = [message.split("\n")[0] for message in d.notify
             if message.time > start and not message.startswith("STATUS=")]
    expect([word for word in order if word in ("RELOADING=1", "READY=1")]
           == ["RELOADING=1", "READY=1"], f"{order}")
    expect(d.count_log("^info: The configuration was read again$") == 1, f"{d.log}")


@scenario()
def scenario_reload_applies(m):
    """After a reload new settings are in force: DebounceSec=, ExtraPaths=, Level=,
    RescanIntervalSec=, FileSystems=."""
    install(m)
    d = m.start(config=config(Mirror_DebounceSec="1min", Mirror_MaxDelaySec="2min"))
    m.wait_mirrored("b")
    d.wait_idle()
    install(m, "6.9.2")
    hold(lambda: not os.path.exists(f"{m.esp('b')}/{m.token}/6.9.2"), 0.7, "DebounceSec=1min")
    m.config(config(Mirror_ExtraPaths="EFI/systemd", Mirror_RescanIntervalSec="1s",
                    Log_Level="debug"))
    d.reload()
    m.wait_mirrored("b", timeout=5)
    m.wait_mirrored("b", scope=["EFI/systemd"], timeout=5)
    expect(not os.path.exists(f"{m.esp('b')}/EFI/BOOT"), "only what was asked for")
    d.wait_idle(quiet=0.5)
    install(m, "6.9.3")
    m.wait_mirrored("b", timeout=5)
    os.unlink(f"{m.esp('b')}/{m.token}/6.9.3/linux")
    m.wait_mirrored("b", timeout=5)
    m.config(config(ESP_FileSystems="ext4" if m.fs == "vfat" else "vfat"))
    mark = d.mark()
    d.reload()
    d.wait_log(f"^error: /boot@b is {m.fs}, which FileSystems= does not allow", after=mark)
    m.config(config(Log_Level="debug"))
    d.reload()
    d.wait_status("/boot@b in sync")
    expect(d.stop() == 0 and d.count_log("^debug: Stopping$") == 1, "Level=debug")


@scenario()
def scenario_reload_rescans(m):
    """A reload looks at everything: a change on a target, of which no event tells, is repaired."""
    install(m)
    old = time.time() - 60  # a file that was just written proves nothing about a change
    for name in os.listdir(f"{m.esp('a')}/{m.token}/6.9.1"):
        os.utime(f"{m.esp('a')}/{m.token}/6.9.1/{name}", (old, old))
    d = m.start()
    m.wait_mirrored("b")
    d.wait_idle()
    write(f"{m.esp('b')}/{m.token}/6.9.1/linux", "rotten")
    os.unlink(m.entries(where=m.esp("b"))[0])
    d.wait_idle(quiet=0.6)
    expect(os.path.getsize(f"{m.esp('b')}/{m.token}/6.9.1/linux") == 6, "no event tells of it")
    d.reload()
    m.wait_mirrored("b", timeout=5)
    d.wait_log("^warning: /boot@b: .*/6.9.1/linux was not as it had been mirrored: it is repaired")


@scenario()
def scenario_periodic_rescan(m):
    """RescanIntervalSec= finds what no event tells of; with infinity, nothing does."""
    install(m)
    d = m.start(config=config(Mirror_RescanIntervalSec="1s"))
    m.wait_mirrored("b")
    write(f"{m.esp('b')}/{m.token}/6.9.1/linux", "rotten")
    m.wait_mirrored("b", timeout=4)
    m.config(config(Mirror_RescanIntervalSec="infinity"))
    d.reload()
    d.wait_idle()
    write(f"{m.esp('b')}/{m.token}/6.9.1/linux", "rotten")
    hold(lambda: os.path.getsize(f"{m.esp('b')}/{m.token}/6.9.1/linux") == 6, 1.5, "no rescan")


@scenario()
def scenario_reload_of_a_bad_file(m):
    """A bad file leaves the old settings in force, all of them, and that is said."""
    install(m)
    d = m.start()
    m.wait_mirrored("b")
    m.config(config(Mirror_ExtraPaths="EFI/systemd", Mirror_DebounceSec="1s", Log_Level="loud"))
    d.reload()
    d.wait_log(f"^error: {FILE}:\\d+: Level=: 'loud' is not allowed")
    d.wait_log("^error: The configuration is not usable: the settings in force stay")
    expect(d.count_log("was read again") == 0, "it was not")
    d.wait_idle()
    expect(not os.path.exists(f"{m.esp('b')}/EFI/systemd"), "half of a bad file is in force")
    install(m, "6.9.2")
    m.wait_mirrored("b")
    m.config(config(Mirror_ExtraPaths="EFI/systemd"))
    d.reload()
    m.wait_mirrored("b", scope=["EFI/systemd"])
    expect(d.stop() == 0, "exit status")


@scenario()
def scenario_reload_with_another_root(m):
    """Another Root= or Bind= is said to need a restart; what else changed is in force, and the old
    ROOT goes on."""
    install(m)
    d = m.start()
    for number, change in enumerate([{"ESP_Root": "/efi"}, {"ESP_Bind": "no"}]):
        m.config(config(Mirror_ExtraPaths="EFI/systemd", **change))
        d.reload()
        wait_until(lambda: d.count_log(r"^warning: Root= and Bind= take effect at the next start "
                                       r"\('systemctl restart bootsyncd'\)") == number + 1,
                   5, "said")
    m.wait_mirrored("b", scope=["EFI/systemd"])
    install(m, "6.9.2")
    m.wait_mirrored("b")
    m.config()
    d.reload()
    d.wait_idle()
    expect(d.count_log("take effect at the next start") == 2, "nothing has changed")


@scenario()
def scenario_reload_while_copying(m):
    """A reload in the middle of a copy is answered at once, and in force afterwards."""
    m.skeleton("a")
    m.add_kernel("6.9.1", linux_mb=0.1, initrd_mb=6)
    d = m.start(wrap=["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                      "inject=sync_file_range:delay_enter=300000", "-e",
                      "trace=sync_file_range"], env=NO_LEAKS, timeout=30)
    wait_until(lambda: "updating" in d.status and os.path.isdir(f"{m.esp('b')}/{m.token}/6.9.1"),
               10, "copying")
    m.config(config(Mirror_ExtraPaths="EFI/systemd"))
    since = time.monotonic()
    d.reload()
    expect(time.monotonic() - since < 1 * SLOW, "the reload waited")
    m.wait_mirrored("b", timeout=30)
    m.wait_mirrored("b", scope=["EFI/systemd"], timeout=30)


# -- what the keys mean

def on_b(m, *paths):
    """Which of these are on ESP b."""
    return [path for path in paths if os.path.exists(f"{m.esp('b')}/{path}")]


@scenario()
def scenario_entry_token_auto(m):
    """EntryToken=auto: the machine id, and the first line of /etc/kernel/entry-token if there is
    such a file; also when it appears later."""
    install(m)
    install(m, "6.9.2", token="fedora")
    paths = f"{m.token}/6.9.1/linux", "fedora/6.9.2/linux", "loader/entries/fedora-6.9.2.conf"
    m.run("bind", check=0)
    expect(m.run("sync").status == 1, "the newest kernel is not ours")
    expect(on_b(m, *paths) == [], "guard 6")
    d = m.start()
    d.wait_log("^warning: /boot does not hold the newest kernel of /lib/modules, 6.9.2")
    write("/etc/kernel/entry-token", " fedora\t\nsecond line\n")
    d.reload()
    m.wait_mirrored("b")
    m.wait_mirrored("b", scope=["fedora/", "loader/entries/fedora-"])
    m.add_kernel("6.9.3", token="fedora", linux_mb=0.1, initrd_mb=0.1)
    m.wait_mirrored("b", scope=["fedora/", "loader/entries/fedora-"])


@scenario()
def scenario_bad_entry_token_file(m):
    """/etc/kernel/entry-token with anything that is no token: nothing is mirrored, and that is said
    with what it holds."""
    install(m)
    m.run("bind", check=0)
    for content, shown in (("a/b\n", "a/b"), ("..\n", ".."), ("EFI", "EFI"), ("\n", ""), ("", ""),
                           ("fe:dora\n", "fe:dora")):
        write("/etc/kernel/entry-token", content)
        result = m.run("sync", check=1)
        expect(f"error: /etc/kernel/entry-token holds '{shown}', which cannot be an entry token: "
               "nothing is mirrored" in result.stderr, f"{result}")
    expect(tree(m.esp("b")) == {}, "b was written to")
    os.unlink("/etc/kernel/entry-token")
    m.run("sync", check=0)


@scenario()
def scenario_entry_token_list(m):
    """EntryToken= with a list: these, the machine id, and no other."""
    write("/etc/kernel/entry-token", "arch\n")
    m.skeleton("a")
    for version, token in (("6.1.0", "arch"), ("6.2.0", "suse"), ("6.3.0", "fedora"),
                           ("6.4.0", m.token)):
        install(m, version, token=token)
    m.config(config(Mirror_EntryToken="fedora suse"))
    m.run("bind", check=0)
    m.run("sync", check=0)
    expect(on_b(m, "arch", "loader/entries/arch-6.1.0.conf") == [], "arch is not in the list")
    for token in ("suse", "fedora", m.token):
        m.assert_mirrored("b", scope=m.scope(token))


@scenario()
def scenario_extra_paths(m):
    """ExtraPaths= are mirrored whole, removed when they are removed, and never with them what
    belongs to one disk; nothing of them without the key."""
    install(m)
    m.run("bind", check=0)
    m.run("sync", check=0)
    expect(on_b(m, "EFI", "loader/loader.conf", "loader/random-seed") == [], "not asked for")
    write("/boot/loader/loader.conf", "timeout 3\n")
    write("/boot/EFI/systemd/deep/er/file", "x")
    seed = f"{m.esp('b')}/loader/random-seed"
    write(seed, "b's own")
    d = m.start(config=config(Mirror_ExtraPaths="EFI/systemd /loader//loader.conf/ EFI/none"))
    wait_until(lambda: on_b(m, "loader/loader.conf"), 10, "loader.conf")
    d.wait_idle()
    expect(on_b(m, "EFI/systemd/deep/er/file", "EFI/systemd/systemd-bootx64.efi", "EFI/BOOT",
                "EFI/Microsoft", "EFI/Linux")
           == ["EFI/systemd/deep/er/file", "EFI/systemd/systemd-bootx64.efi"], "the whole of it")
    shutil.rmtree("/boot/EFI/systemd/deep")
    os.unlink("/boot/loader/loader.conf")
    write("/boot/EFI/systemd/new", "x")
    write("/boot/loader/random-seed", "changed")
    wait_until(lambda: on_b(m, "EFI/systemd/deep", "loader/loader.conf", "EFI/systemd/new")
               == ["EFI/systemd/new"], 10, "followed")
    write("/boot/loader/loader.conf", "timeout 4\n")
    wait_until(lambda: on_b(m, "loader/loader.conf"), 10, "again")
    with open(seed, encoding="ascii") as file:
        expect(file.read() == "b's own", "the random seed")


@scenario()
def scenario_file_systems(m):
    """FileSystems= says what an ESP may be: one with another is left as it is, and that is said."""
    install(m)
    other = "ext4" if m.fs == "vfat" else "vfat"
    m.config(config(ESP_FileSystems=other))
    m.run("bind", check=0)
    result = m.run("sync", check=1)
    expect_lines(result, f"error: /boot@b is {m.fs}, which FileSystems= does not allow: it is "
                         "left as it is")
    expect(tree(m.esp("b")) == {}, "b was written to")
    m.config(config(ESP_FileSystems=m.fs))
    m.run("sync", check=0)


@scenario()
def scenario_verify_after_copy(m):
    """AfterCopy=: whether each file is read back from the target; it is mirrored in any case."""
    m.skeleton("a")
    m.run("bind", check=0)
    read_back = []
    for version, value in (("6.9.1", "yes"), ("6.9.2", "no")):
        install(m, version)
        m.config(config(Verify_AfterCopy=value))
        m.run("sync", check=0, env=NO_LEAKS, wrap=[
            "strace", "-f", "-y", "-qq", "-o", "/tmp/trace", "-e", "trace=read,pread64"])
        m.assert_mirrored("b")
        with open("/tmp/trace", encoding="utf-8", errors="replace") as file:
            read_back.append(sum(f"/boot@b/{m.token}/{version}/" in line for line in file))
    expect(read_back[0] >= 2 and read_back[1] == 0, f"files read from the target: {read_back}")


@scenario()
def scenario_time_spans(m):
    """Time spans are written as in systemd.time(7)."""
    m.umount("a")
    for value, seconds in (("300ms", 0.3), ("0.3", 0.3), ("200ms 100000us", 0.3), ("0", 0),
                           ("0min 1s", 1)):
        m.config(config(ESP_BindTimeoutSec=value))
        since = time.monotonic()
        m.run("bind", check=1)
        elapsed = time.monotonic() - since
        expect(seconds <= elapsed < seconds + 0.6 * SLOW, f"{value}: {elapsed:.2f} s")
    for value in ("1h", "5m", "1min30s", "2 sec", "1hour"):
        m.mount("a")
        m.config(config(ESP_BindTimeoutSec=value))
        m.run("bind", check=0)
        m.umount(m.root)
        m.umount("a")


@scenario()
def scenario_machine_id(m):
    """Without a valid machine id nothing is mirrored, which is said once; with one, it is, after a
    reload."""
    install(m)
    m.run("bind", check=0)
    for content in (None, "", "uninitialized\n", "0" * 32 + "\n", "0123\n", "x" * 32 + "\n"):
        os.unlink("/etc/machine-id")
        if content is not None:
            write("/etc/machine-id", content)
        result = m.run("sync", check=1)
        expect(result.stderr.count("error: ") == 1 and
               "error: /etc/machine-id holds no valid machine id: nothing is mirrored. "
               "'systemd-machine-id-setup' makes one" in result.stderr, f"{content!r}: {result}")
        if content is None:
            write("/etc/machine-id", "")
    d = m.start()
    d.wait_log("^error: /etc/machine-id holds no valid")
    d.wait_status("held back by the source")
    d.reload()
    d.wait_idle()
    expect(d.count_log("machine-id") == 1, "said again")
    expect(tree(m.esp("b")) == {}, "b was written to")
    write("/etc/machine-id", MACHINE_ID + "\n")
    d.reload()
    m.wait_mirrored("b")
    install(m, "6.9.2")
    m.wait_mirrored("b")
    d.wait_status("/boot@b in sync")


@scenario()
def scenario_another_machine(m):
    """Only what belongs to this machine id is mirrored."""
    install(m)
    install(m, "6.8.0", token=OTHER_ID)
    m.run("bind", check=0)
    m.run("sync", check=0)
    expect(not any(OTHER_ID in path for path in tree(m.esp("b"))), "another machine's")
