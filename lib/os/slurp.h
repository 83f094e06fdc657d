/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files: read whole, or replaced whole.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads a regular file (or one of efivarfs, procfs, sysfs) to its end, by read() alone. dirfd and
 * path as for openat(); links are followed. 0; -EFBIG if it is larger than max;
 * -EISDIR, or -ENXIO for anything that is no regular file; any error of open() and read().
 */
_must_check_ int slurp(int dirfd, const char *path, size_t max, struct buf *ret_content);

/*
 * Replaces the file name in the directory dirfd by content: temporary file, fsync, rename, fsync of
 * the directory. Mode 0600. On an error the old file is still there, or (when flushing the directory
 * failed) the new one; the temporary one is gone. Only one process at a time may do this to a name.
 */
_must_check_ int slurp_replace(int dirfd, const char *name, const void *content, size_t size);

/* Appends content to the file name in dirfd (which must exist) and waits until it is durable. */
_must_check_ int slurp_append(int dirfd, const char *name, const void *content, size_t size);

/* The names of the directory's entries, without "." and "..", in byte order; directories_only
 * leaves out the rest. */
_must_check_ int slurp_names(const char *path, bool directories_only, struct strlist *ret_names);
