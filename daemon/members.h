/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mounts of this moment, with their roles.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "core/finding.h"
#include "core/roles.h"

/* Reads the mount table and the mount point directories. Guards 1 and 2 go to findings. 0 or < 0. */
_must_check_ int members_read(const char *root, struct roles *ret_roles, struct findings *findings);

/* ROOT@x. Overwrites path; 0 or -ENOMEM. */
_must_check_ int members_path(const char *root, char letter, struct buf *path);
