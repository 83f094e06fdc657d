# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting, with a message that says what did not come."""

import os
import re
import time

# How much slower than real hardware this place is: time limits are multiplied by it.
SLOW = float(os.environ.get("BOOTSYNC_TEST_SLOW", "1"))


class Failed(AssertionError):
    """A scenario's expectation was not met."""


def wait_until(predicate, timeout=10, what="condition", step=0.02):
    """Wait until predicate() is true and return what it returned.

    `timeout` is in seconds on real hardware; slow places get more.  `what` completes the sentence
    "… did not come true within N s"; it may be a function, which is asked when time is up.
    """
    deadline = time.monotonic() + timeout * SLOW
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise Failed(f"{text}: did not come true within {timeout * SLOW:g} s")
        time.sleep(step * min(SLOW, 3))


def hold(predicate, seconds=1.0, what="condition"):
    """Fail as soon as predicate() is false within the next `seconds` (not multiplied)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not predicate():
            raise Failed(f"{what}: did not stay true for {seconds:g} s")
        time.sleep(0.05)


def expect(condition, what):
    """assert with a message, and without -O's help."""
    if not condition:
        raise Failed(what() if callable(what) else what)


def search(pattern, texts):
    """The first of `texts` in which the regular expression is found, else None."""
    compiled = re.compile(pattern, re.MULTILINE)
    return next((text for text in texts if compiled.search(text)), None)
