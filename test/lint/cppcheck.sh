#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cppcheck over the program and the library.  cppcheck.sh TOP
#
# Suppressed, with the reason: cppcheck does not know __attribute__((cleanup)), so it takes what
# is released at the end of a scope for leaked or unused.
set -euo pipefail
cd "$1"
cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j 2 \
        --enable=warning,performance,portability \
        --suppress=missingInclude --suppress=memleak --suppress=resourceLeak \
        --suppress=unknownMacro --suppress=memleakOnRealloc \
        -D_GNU_SOURCE -Ilib -Idaemon lib daemon
