/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon remembers of one target between rounds.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/pathset.h"
#include "core/baseline.h"
#include "core/manifest.h"
#include "core/roles.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum target_state {
        TARGET_UNKNOWN = 0, /* not looked at yet */
        TARGET_MISSING,     /* not mounted */
        TARGET_PENDING,     /* a round is due */
        TARGET_WORKING,     /* its worker runs */
        TARGET_IN_SYNC,
        TARGET_HELD,   /* a guard, or single files, hold something back */
        TARGET_FAILED, /* a fault: it is tried again */
        TARGET_HUNG,   /* its worker does not answer */
};

struct target {
        char letter;
        enum target_state state;
        enum target_state settled; /* the last state that was neither PENDING nor WORKING */
        uint64_t since;            /* of that one: CLOCK_REALTIME microseconds */
        dev_t devno;
        char uuid[ROLES_UUID_SIZE]; /* "" : it has no baseline on disk */
        struct manifest manifest;
        bool scanned;             /* manifest is what is there, as far as we know */
        struct pathset unflushed; /* what is there may be in memory only: a flush failed */
        struct pathset dirty;     /* paths to look at again there */
        struct baseline baseline;
        bool baseline_stored; /* the file on disk is the head of what we append */
        size_t baseline_size; /* of the file on disk */
        struct buf log;       /* lines that are not on disk yet */
        unsigned failures;    /* in a row */
        uint64_t retry;       /* CLOCK_MONOTONIC microseconds; 0: no retry is due */
};

/* Forgets everything about the file system; what is on disk stays. */
void target_reset(struct target *target);
static inline void target_done(struct target *target) {
        target_reset(target);
}

/* Reads the baseline that was made from source_uuid. *ret_error is the reason (errno) for which a
 * baseline that is there could not be used, or 0. 0 or -ENOMEM. */
_must_check_ int target_load(struct target *target, const char *source_uuid, int *ret_error);

/* Notes what source and target have in common at key, or that they have nothing any more. Kept in
 * memory until target_store(). 0 or -ENOMEM. */
_must_check_ int target_note(struct target *target, const struct record *record);
_must_check_ int target_note_gone(struct target *target, const char *key);

/* Brings to disk what was noted, by appending, or whole if that has become the shorter way. Without
 * anything new it does nothing. Any error of writing; the notes stay in memory. */
_must_check_ int target_store(struct target *target, const char *source_uuid);

/* From now on only content proves that path, and what is below it, is equal on both sides. 0 or
 * -ENOMEM. */
_must_check_ int target_distrust(struct target *target, const char *path);
