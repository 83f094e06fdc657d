/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the steps of the commit share. Internal to apply.
 */
#pragma once

#include "base/attr.h"
#include "os/apply.h"

#include <sys/stat.h>

/* Notes a failure on the target. Returns APPLY_FULL or APPLY_TARGET_ERROR by r, a -errno; or
 * -ENOMEM itself, which is no fault of the target. */
_must_check_ int apply_target_failed(struct apply_result *result, const char *where, int r);

/* Opens the directory that path lies in, for lookups and for fsync(). 0 or -errno. */
_must_check_ int apply_open_parent(int root, const char *path, int *ret_fd);

/*
 * Copies source into the new file temp, from its first to its last byte, until both are flushed as
 * far as they can be before the rename. before is the source's state; *ret_digest that of what was
 * read. 0 or an outcome of apply_put(), noted in result.
 */
_must_check_ int apply_copy(struct apply *apply, int source, const struct stat *before, int temp,
                            struct apply_result *result);

/* Reads the file name in directory back, past the page cache as far as that goes, and compares it to
 * result->digest. temp is the descriptor that it was written by. 0 or an outcome of apply_put(). */
_must_check_ int apply_read_back(struct apply *apply, int directory, const char *name, int temp,
                                 uint64_t size, struct apply_result *result);
