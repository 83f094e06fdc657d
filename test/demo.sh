#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Show the daemon at work: build it, and run it on three throw-away vfat ESPs.
# See system/demo.py for what is shown.  BOOTSYNC_BUILD names the build directory, as in run.sh.
set -euo pipefail

usage='usage: test/demo.sh [--fast]

Installs what is missing, builds bootsyncd, and runs it on three throw-away EFI
system partitions in namespaces of their own (in user-mode Linux where the kernel
has no vfat). Takes a minute after the build; needs root.

  --fast   no pauses (BOOTSYNC_DEMO_FAST=1 does the same)

Exit status: 0 if the mirrors were equal at the end, 1 if not.'

fast=${BOOTSYNC_DEMO_FAST:-}
for word in "$@"; do
        case $word in
        --fast)    fast=1 ;;
        -h|--help) printf '%s\n' "$usage"; exit 0 ;;
        *)         printf '%s\n' "$usage" >&2; exit 2 ;;
        esac
done

if [ "$(id -u)" -ne 0 ]; then
        echo 'demo: this makes namespaces, loop devices and mounts: please run it as root' >&2
        exit 1
fi

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BOOTSYNC_BUILD:-$top/build}
PATH=$PATH:/usr/sbin:/sbin

# Run a command whose output is of interest only if it fails.
quietly() {
        local log status=0
        log=$("$@" 2>&1) || status=$?
        [ "$status" -eq 0 ] || printf '%s\n' "$log" >&2
        return "$status"
}

"$top/test/setup.sh"

echo 'demo: building'
# A build directory keeps the generator that it was made with.
generator=()
if [ ! -e "$build/CMakeCache.txt" ] && command -v ninja >/dev/null; then
        generator=(-G Ninja)
fi
quietly cmake -S "$top" -B "$build" "${generator[@]}"
quietly cmake --build "$build" --parallel --target bootsyncd

exec /usr/bin/python3 -B "$top/test/system/demo.py" \
        ${fast:+--fast} "$(cd "$build" && pwd)/daemon/bootsyncd"
