#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# clang-tidy over the program and the library, with .clang-tidy's checks.  tidy.sh TOP BUILD
set -euo pipefail
cd "$1"
find lib daemon -name '*.c' -print0 | sort -z |
        xargs -0 -n 8 -P 2 clang-tidy -p "$2" --quiet --warnings-as-errors='*' 2>/dev/null
