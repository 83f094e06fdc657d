/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker and the daemon say to each other, over a pair of sequenced-packet sockets.
 */
#pragma once

#include "base/attr.h"
#include "base/digest.h"
#include "core/baseline.h"
#include "core/finding.h"
#include "core/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An entry's references are the largest thing that is sent. */
#define CHANNEL_SIZE_MAX (128U * 1024U)

enum channel_type {
        CHANNEL_PLAN,        /* number: bytes that will be moved */
        CHANNEL_PROGRESS,    /* number: bytes that were moved since the last one */
        CHANNEL_FINDING,     /* kind, path, other, number, error */
        CHANNEL_STEP,        /* kind: enum step_kind; path, number: size */
        CHANNEL_ITEMS_RESET, /* the target's manifest begins anew */
        CHANNEL_ITEM,        /* an item of it: see channel_to_item() */
        CHANNEL_ITEM_DROP,   /* path, with all below */
        CHANNEL_RECORD, /* for the baseline: see channel_to_record(); other: path on the source */
        CHANNEL_RECORD_DROP, /* path: the key */
        CHANNEL_LATER,       /* path on the source is to be looked at again */
        CHANNEL_UNFLUSHED,   /* path on the target was changed, but the flush failed */
        CHANNEL_MAY_PUBLISH, /* path on the source: asks for an answer */
        CHANNEL_DONE, /* kind: enum worker_outcome; number: bytes, put, removed; flag: something of
                                the source could not be read */
};

struct channel_message {
        enum channel_type type;
        int kind;
        int error;
        bool flag;
        uint64_t number;
        uint64_t put, removed;
        int64_t source_mtime, target_mtime;
        struct digest digest;
        const char *path; /* never NULL when received */
        const char *other;
        const char *list; /* strings, each with its NUL */
        size_t list_size;
};

/* A connected pair. 0 or < 0. */
_must_check_ int channel_pair(int *ret_daemon, int *ret_worker);

/* Blocks. -EPIPE if the other side is gone. */
_must_check_ int channel_send(int fd, const struct channel_message *message);

enum channel_outcome {
        CHANNEL_END = 1,   /* the other side is gone */
        CHANNEL_EMPTY = 2, /* nothing to read now */
};

/* Reads one message without blocking. It points into buffer, of CHANNEL_SIZE_MAX bytes. -EBADMSG. */
_must_check_ int channel_receive(int fd, char *buffer, struct channel_message *ret_message);

/* The answer to CHANNEL_MAY_PUBLISH: 0 go on, > 0 it changed, < 0 stop. */
_must_check_ int channel_answer(int fd, int answer);
_must_check_ int channel_read_answer(int fd, int *ret_answer);

_must_check_ int channel_send_item(int fd, const struct item *item);
/* Adds the item that was sent to manifest. 0, -EBADMSG or -ENOMEM. */
_must_check_ int channel_to_item(const struct channel_message *message, struct manifest *manifest);

/* path is the file on the source that the record is of: its key has no boot counter. */
_must_check_ int channel_send_record(int fd, const struct record *record, const char *path);
/* key points into the message. */
void channel_to_record(const struct channel_message *message, struct record *ret_record);
