#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual pages are well-formed.  man.sh TOP
set -euo pipefail
cd "$1"
mandoc -T lint -W warning daemon/bootsyncd.8 conf/bootsync.conf.5
