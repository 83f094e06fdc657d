#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Build everything and run all tests.  Arguments go to ctest: test/run.sh -L unit, -R name, -V …
# BOOTSYNC_BUILD names the build directory (default: build, beside the sources).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BOOTSYNC_BUILD:-$top/build}
PATH=$PATH:/usr/sbin:/sbin

"$top/test/setup.sh"

# A build directory keeps the generator that it was made with.
generator=()
if [ ! -e "$build/CMakeCache.txt" ] && command -v ninja >/dev/null; then
        generator=(-G Ninja)
fi
cmake -S "$top" -B "$build" "${generator[@]}" -DWERROR=ON -DBUILD_TESTING=ON
cmake --build "$build" --parallel

cd "$build"
exec ctest --output-on-failure -j2 "$@"
