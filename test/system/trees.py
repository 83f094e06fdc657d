# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directory trees as values: to compare them, to show them, to fill them."""

import hashlib
import os
import random
import stat

from watching import expect

_CHUNK = 1 << 16


def write(path, data):
    """Write a small file, and the directories above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def write_random(path, megabytes, seed):
    """A file of repeatable random content, written piece by piece, as a generator would.

    Pieces differ by a number at their head, which is much cheaper than to draw all of it.
    """
    left = int(megabytes * (1 << 20))
    block = random.Random(repr(seed)).randbytes(_CHUNK - 8)
    with open(path, "wb", buffering=0) as file:
        index = 0
        while left > 0:
            chunk = (index.to_bytes(8, "little") + block)[:left]
            file.write(chunk)
            left -= len(chunk)
            index += 1


def _digest(path):
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _describe(path):
    """(type, size, digest); a type of "!" says that it could not be read, and why."""
    try:
        info = os.lstat(path)
        if stat.S_ISREG(info.st_mode):
            return ("f", info.st_size, _digest(path))
        if stat.S_ISDIR(info.st_mode):
            return ("d", 0, "")
        if stat.S_ISLNK(info.st_mode):
            return ("l", info.st_size, os.readlink(path))
        return (stat.filemode(info.st_mode)[0], 0, "")
    except OSError as error:
        return ("!", 0, os.strerror(error.errno))


def tree(path):
    """{relative path: (type, size, sha256)} of all below `path`, itself not included.

    Types: "f" file, "d" directory, "l" link (its target instead of a digest), "p" "s" "b" "c" as
    in ls, "!" unreadable (the error's text instead of a digest).
    """
    found = {}

    def walk(directory, prefix):
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            found[prefix.rstrip("/") or "."] = ("!", 0, os.strerror(error.errno))
            return
        for name in names:
            found[prefix + name] = entry = _describe(f"{directory}/{name}")
            if entry[0] == "d":
                walk(f"{directory}/{name}", f"{prefix}{name}/")

    walk(path, "")
    return found


def _in_scope(path, scope):
    return scope is None or any(path.startswith(prefix) or path + "/" == prefix
                                for prefix in scope)


def differences(one, two, scope=None):
    """Lines that say where two trees (paths, or what tree() returned) differ; [] if nowhere.

    `scope` is a list of prefixes; paths that begin with none of them are not looked at.
    """
    one = tree(one) if isinstance(one, str) else one
    two = tree(two) if isinstance(two, str) else two
    lines = []
    for path in sorted(set(one) | set(two)):
        if _in_scope(path, scope) and one.get(path) != two.get(path):
            lines.append(f"{path}: {short(one.get(path))} <> {short(two.get(path))}")
    return lines


def short(entry):
    if entry is None:
        return "absent"
    kind, size, detail = entry
    return f"{kind} {size} {detail[:12] if kind == 'f' else detail}".strip()


def assert_same(one, two, scope=None):
    """Fail unless two trees are alike within the scope (see differences())."""
    lines = differences(one, two, scope)
    expect(not lines, "trees differ:\n    " + "\n    ".join(lines))
