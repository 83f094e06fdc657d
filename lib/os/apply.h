/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commit: single steps of a plan, done on one target so that a power cut between any two block
 * writes leaves every file either as it was or complete.
 *
 * Measured on Linux vfat (which sends the disk a flush on fsync alone): a file's old clusters must
 * not be freed before the new name is on disk, so the old file is held open until all is flushed,
 * and the new file is flushed again behind the rename.
 */
#pragma once

#include "base/attr.h"
#include "base/digest.h"
#include "os/tree.h"

#include <stdbool.h>
#include <stdint.h>

enum apply_outcome {
        APPLY_SOURCE_CHANGED =
                1,              /* it changed, or is gone or no regular file any more: look again */
        APPLY_SOURCE_BUSY = 2,  /* somebody has it open for writing */
        APPLY_SOURCE_ERROR = 3, /* reading or flushing it failed: error */
        APPLY_FULL = 4,         /* no room (ENOSPC, EDQUOT) */
        APPLY_TARGET_ERROR = 5, /* error, at the call named in where */
        APPLY_CORRUPT = 6,      /* what was read back is not what was written; it was discarded */
        APPLY_STOPPED = 7,      /* a callback said so */
};

/* What a step has to say besides its outcome. */
struct apply_result {
        int error;         /* errno of the failure, 0 if there is none */
        const char *where; /* the system call or stage that failed: "fsync", "rename" … */
        struct digest digest;
        struct manifest_stat source; /* the source as it was copied */
        struct manifest_stat target; /* the file as it is on the target now */
        bool source_settled; /* the source's time stamp is so old that a later write must change it */
        uint64_t bytes;      /* written to the target */
};

struct apply_hooks {
        /* After each piece written or read back. */
        tree_progress_fn on_progress;
        /* Asked when the new file is complete, right before it is published: 0 go on,
         * > 0 APPLY_SOURCE_CHANGED, < 0 APPLY_STOPPED. */
        int (*may_publish)(const char *source_path, void *userdata);
        void *userdata;
};

struct apply {
        int source; /* descriptors of the root directories */
        int target;
        bool verify; /* read back and compare before publishing */
        struct apply_hooks hooks;
        void *buffer; /* APPLY_BUFFER_SIZE bytes */
};

#define APPLY_BUFFER_SIZE (1024U * 1024U)

_must_check_ int apply_init(struct apply *apply, int source, int target, bool verify,
                            const struct apply_hooks *hooks);
void apply_done(struct apply *apply);
#define _cleanup_apply_ _cleanup_(apply_done)

/*
 * Makes target_path hold what source_path holds: the directory must be there. Whatever the outcome,
 * no temporary file stays behind while the target still takes writes.
 */
_must_check_ int apply_put(struct apply *apply, const char *source_path, const char *target_path,
                           struct apply_result *ret_result);

/* Removes a file. One that is gone already is no error. */
_must_check_ int apply_unlink(struct apply *apply, const char *path,
                              struct apply_result *ret_result);

/* Makes a directory; one that is there already is no error. */
_must_check_ int apply_mkdir(struct apply *apply, const char *path,
                             struct apply_result *ret_result);

/* Flushes the directory that path lies in. One that is gone is no error. 0, APPLY_TARGET_ERROR or < 0. */
_must_check_ int apply_flush_parent(int target, const char *path, struct apply_result *ret_result);

/* Removes an empty directory. One that is gone, or not empty, is no error. */
_must_check_ int apply_rmdir(struct apply *apply, const char *path,
                             struct apply_result *ret_result);
