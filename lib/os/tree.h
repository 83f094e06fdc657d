/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ESP's tree: opened, walked into a manifest, compared by content.
 *
 * Every access is relative to the descriptor of the ESP's root directory, by openat2() with
 * RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_XDEV: nothing that an
 * ESP holds can lead out of it. Names that are no valid relpath components are skipped.
 */
#pragma once

#include "base/attr.h"
#include "base/digest.h"
#include "core/manifest.h"
#include "core/scope.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens the root directory of an ESP. *ret_devno is the device of its file system. The directory
 * itself must not be a symbolic link. */
_must_check_ int tree_open(const char *path, int *ret_fd, dev_t *ret_devno);

/* openat2() below root with the restrictions above; O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK and O_NOCTTY
 * are added. path "" is the root itself. Returns a descriptor or -errno. */
_must_check_ int tree_openat(int root, const char *path, int flags, mode_t mode);

enum tree_problem {
        TREE_READ_ERROR,  /* error says which; what is there is unknown */
        TREE_SPECIAL,     /* a link, fifo, socket or device, in scope: skipped */
        TREE_OTHER_MOUNT, /* another file system is mounted here: skipped */
        TREE_BAD_NAME,    /* a name that cannot be handled (path too long, not a valid component) */
        TREE_TOO_DEEP,    /* more than TREE_DEPTH_MAX levels, or more than TREE_ITEMS_MAX items */
};

#define TREE_DEPTH_MAX 32
#define TREE_ITEMS_MAX 200000

/* Called for each problem; a non-zero return ends the walk and is passed up. */
typedef int (*tree_problem_fn)(enum tree_problem problem, const char *path, int error,
                               void *userdata);

/*
 * Brings the part of manifest at and below path up to date: what is there is set, what is not is
 * dropped, and what could not be read keeps the items that it had. path "" is the whole tree, which
 * has no item of its own. The content of entries is read (at most ENTRY_SIZE_MAX bytes; a larger
 * entry names nothing). The manifest holds SCOPE_WAY directories too. Only files have a size and a
 * time. Problems with single names go to on_problem, and the walk goes on; an item of type
 * ITEM_OTHER stands for what is skipped.
 * 0; what on_problem returned, with manifest unchanged; -ENOMEM, and it is of no use any more.
 */
_must_check_ int tree_scan(int root, const struct scope *scope, const char *path,
                           struct manifest *manifest, tree_problem_fn on_problem, void *userdata);

enum tree_outcome {
        TREE_DIFFERENT = 1,    /* content differs */
        TREE_SOURCE_ERROR = 2, /* the first file could not be read: *ret_error */
        TREE_TARGET_ERROR = 3, /* the second one could not */
        TREE_STOPPED = 4,      /* on_progress said so */
};

/* Called after each piece with its size; non-zero ends the work. */
typedef int (*tree_progress_fn)(uint64_t bytes, void *userdata);

/*
 * Compares two files byte by byte (1 MiB at a time), the second one read past the page cache as far
 * as its file system allows. *ret_digest is that of the content if it is equal.
 */
_must_check_ int tree_compare(int source_root, const char *source_path, int target_root,
                              const char *target_path, tree_progress_fn on_progress, void *userdata,
                              struct digest *ret_digest, int *ret_error);

/* Whether somebody has the open file fd open for writing (asked by taking a read lease and giving
 * it back). SIGIO must be ignored or blocked. False where the file system or the kernel has no answer. */
bool tree_is_open_for_writing(int fd);

/*
 * Whether a time stamp (nanoseconds since the epoch) is so old that any later write must change it:
 * FAT counts two seconds, and the kernel's clock for time stamps may lag by a tick.
 */
bool tree_is_settled(int64_t mtime);

/* File system facts, from the descriptor itself. */
struct tree_space {
        uint64_t free; /* bytes, whole clusters */
        uint64_t total;
        uint32_t cluster;
        bool read_only;
        char fstype[16]; /* "vfat", "ext4", or the magic number in hexadecimal */
};
_must_check_ int tree_space(int root, struct tree_space *ret_space);
