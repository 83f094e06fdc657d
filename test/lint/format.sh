#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Formatting is mechanical, and every file says its licence.  format.sh TOP
set -euo pipefail
cd "$1"
status=0
sources=$(find lib daemon test -name '*.[ch]' | sort)
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources || status=1

while read -r file; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' && continue
        printf '%s: no SPDX line\n' "$file"
        status=1
done < <(find lib daemon conf systemd policy test .ci CMakeLists.txt README.md -type f \
        ! -path '*/__pycache__/*' ! -path '*/corpus/*' ! -name '*.svg' | sort)

while read -r file; do
        awk -v file="$file" 'length($0) > 400 { next } END { if (NR > 400) print file ": " NR " lines, more than 400"; exit NR > 400 }' "$file" || status=1
done < <(find lib daemon -name '*.[ch]' | sort)
exit "$status"
