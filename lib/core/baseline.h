/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a target and its source had in common when a round ended: the third side of the three-way
 * comparison, and the proof that a file need not be read again.
 *
 * Kept as text, one line a record, that grows by appending: a later line overrides an earlier one,
 * and each line carries a checksum, so that a line torn by a power cut ends the reading and no
 * more. A baseline that lost its last lines is merely less informed.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record {
        char *key;
        uint64_t size;
        int64_t source_mtime; /* nanoseconds; each side as that side's file system keeps it */
        int64_t target_mtime;
        struct digest digest;
        bool racy;    /* read when the source's time stamp was so young that a later write need not
                         have changed it */
        bool suspect; /* must be compared by content. On disk it is one with racy: a watch vouches
                         for young time stamps as long as it is there */
};

struct baseline {
        char *source;           /* partition GUID of the ESP that it was made from */
        struct record *records; /* in the order of relpath_compare() */
        size_t n;
        size_t room;
};

#define BASELINE_INIT ((struct baseline){ 0 })

void baseline_done(struct baseline *baseline);
#define _cleanup_baseline_ _cleanup_(baseline_done)

const struct record *baseline_find(const struct baseline *baseline, const char *key);

/* Adds or replaces a copy of record. 0 or -ENOMEM. */
_must_check_ int baseline_set(struct baseline *baseline, const struct record *record);

void baseline_drop(struct baseline *baseline, const char *key);

/* key and all below it must be compared by content. */
void baseline_distrust(struct baseline *baseline, const char *key);

/* The same for every record that is racy. */
void baseline_distrust_racy(struct baseline *baseline);

enum baseline_outcome {
        BASELINE_FOREIGN = 1, /* it names another source; nothing is returned */
        BASELINE_TORN,        /* the text ends in the middle: what came before is returned */
};

/*
 * Reads the text of a baseline that was made from source.
 * 0, BASELINE_FOREIGN, BASELINE_TORN, -EBADMSG (no baseline at all), -ENOMEM.
 */
_must_check_ int baseline_parse(const char *text, size_t size, const char *source,
                                struct baseline *ret_baseline);

/* Append the head line, a record's line, and the line that drops a key. 0 or -ENOMEM. */
_must_check_ int baseline_format_head(struct buf *buf, const char *source);
_must_check_ int baseline_format_record(struct buf *buf, const struct record *record);
_must_check_ int baseline_format_drop(struct buf *buf, const char *key);
