#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The layer rule: base <- core <- os <- daemon, and no circle inside a layer.  layers.sh TOP
# The linker checks calls; this checks include lines, which also reach types and macros.
set -euo pipefail
cd "$1"
status=0

# complain TEXT: what a forbidden pattern found, if it found anything.
complain() {
        local found
        found=$(cat)
        [ -n "$found" ] || return 0
        printf '%s:\n%s\n' "$1" "$found"
        status=1
}

search() { grep -rnE "$1" "${@:2}" --include='*.[ch]' || true; }

complain 'lib/base includes a layer above' < <(search '#include "(core|os)/' lib/base)
complain 'lib/core includes a layer above' < <(search '#include "os/' lib/core)
complain 'lib includes the daemon' < <(search '#include "[^/"]+"' lib)
complain 'libsystemd outside of daemon' < <(search '#include <systemd/' lib)
complain 'libmount in more than one module' < <(search '#include <libmount' lib daemon | grep -v '^lib/os/mounts' || true)
complain 'libinih outside of core/config' < <(search '#include <ini.h>' lib daemon | grep -v '^lib/core/config' || true)
complain 'core touches the world' < <(search '#include <(fcntl|unistd|time|dirent|sys/(stat|mount|inotify))\.h>' lib/core)
complain 'the library speaks or exits' < <(search '\b(printf|fprintf|perror|syslog|exit|abort)\(' lib | grep -v 'snprintf(' || true)

# Modules: the part of a file's name before the first '-' or '.'; they must form no circle.
python3 - <<'PYTHON' || status=1
import pathlib
import re
import sys

edges = {}
for path in [p for d in ("lib/base", "lib/core", "lib/os", "daemon")
             for p in pathlib.Path(d).glob("*.[ch]")]:
    def module(name, layer=str(path.parent).removeprefix("lib/")):
        if "/" in name:
            layer, name = name.split("/")
        return layer + "/" + re.split(r"[-.]", name)[0]
    own = module(path.name)
    for included in re.findall(r'#include "([^"]+)"', path.read_text(encoding="utf-8")):
        if module(included) != own:
            edges.setdefault(own, set()).add(module(included))


def circle(node, trail):
    """The first circle that can be reached from node, as a list."""
    if node in trail:
        return trail[trail.index(node):] + [node]
    for target in sorted(edges.get(node, ())):
        found = circle(target, trail + [node])
        if found:
            return found
    return None


for start in sorted(edges):
    found = circle(start, [])
    if found:
        sys.exit("a circle of modules: " + " -> ".join(found))
PYTHON
exit "$status"
