/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What outlives a process: the lock in /run/bootsync and the baselines in /var/lib/bootsync.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "core/baseline.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define STATE_RUN_DIRECTORY "/run/bootsync"
#define STATE_DIRECTORY "/var/lib/bootsync"

/* A baseline of TREE_ITEMS_MAX items with long names is far below this. */
#define STATE_SIZE_MAX (256U * 1024U * 1024U)

enum state_outcome {
        STATE_LOCKED = 1, /* another process holds the lock: *ret_holder, or 0 if unknown */
        STATE_NONE = 2,   /* there is no baseline for this pair */
};

/*
 * Takes the lock file "lock" in directory (made if missing, 0755), as long as the descriptor
 * is open: flock(), on a file that is still in its place. The file holds our process id as text.
 */
_must_check_ int state_lock(const char *directory, int *ret_fd, pid_t *ret_holder);

/*
 * Reads the baseline of the partition target as made from source. STATE_NONE: no such file, or it
 * names another source. A torn one is returned as far as it goes, with *ret_rewrite set. -EBADMSG:
 * the file is no baseline; -EINVAL, here and below: target is no partition's id.
 */
_must_check_ int state_load(const char *directory, const char *target, const char *source,
                            struct baseline *ret_baseline, bool *ret_rewrite);

/* Writes the whole baseline, with atomic replacement; makes the directory (0700) if missing. */
_must_check_ int state_store(const char *directory, const char *target,
                             const struct baseline *baseline);

/* Appends lines made with baseline_format_…() to a baseline that state_store() or state_load()
 * knows; durable when it returns. *ret_size is the file's size then. */
_must_check_ int state_append(const char *directory, const char *target, const struct buf *lines,
                              size_t *ret_size);
