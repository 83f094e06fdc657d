#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# gcc -fanalyzer over the program and the library.  analyzer.sh TOP
#
# Off, with the reason: the leak checks do not follow __attribute__((cleanup)) through the
# caller's own clean-up functions; leaks are looked for at run time by the sanitizer build.
set -euo pipefail
cd "$1"
flags=$(pkg-config --cflags libsystemd mount inih libxxhash)
find lib daemon -name '*.c' -print0 | sort -z | xargs -0 -n 1 -P 2 sh -c '
        gcc -std=gnu17 -D_GNU_SOURCE -DBOOTSYNC_VERSION=\"0\" -O1 -Ilib -Idaemon '"$flags"' \
                -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-fd-leak -Wno-analyzer-file-leak \
                -Werror -c "$1" -o /dev/null' sh
