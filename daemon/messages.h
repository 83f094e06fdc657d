/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every message that the program has, with its level, its id and its words: one table, messages.c.
 *
 * A finding is a message of the same number. The ids never change: alerts and the catalog
 * (systemd/bootsync.catalog) refer to them.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "core/finding.h"

#include <stddef.h>
#include <stdint.h>

enum message {
        MESSAGE_FIRST = 3000,
        MESSAGE_BOUND,
        MESSAGE_ADOPTED,
        MESSAGE_ADOPTED_OTHER,
        MESSAGE_REBIND,
        MESSAGE_BIND_NO_EFI,
        MESSAGE_BIND_NO_UUID,
        MESSAGE_BIND_NOT_MOUNTED,
        MESSAGE_BIND_NO_ROOT,
        MESSAGE_BIND_NO_DIRECTORY,
        MESSAGE_BIND_NOT_EMPTY,
        MESSAGE_BIND_OFF,
        MESSAGE_BIND_FAILED,
        MESSAGE_BIND_NO_PRIVILEGE,
        MESSAGE_BIND_LOST,
        MESSAGE_LOCKED,
        MESSAGE_LOCK_FAILED,
        MESSAGE_NO_PERMISSION,
        MESSAGE_CONFIG_UNREADABLE,
        MESSAGE_CONFIG_KEPT,
        MESSAGE_CONFIG_REFUSED,
        MESSAGE_CONFIG_ROOT_CHANGED,
        MESSAGE_CONFIG_DIAGNOSTIC_ERROR,
        MESSAGE_CONFIG_DIAGNOSTIC_WARNING,
        MESSAGE_RELOADED,
        MESSAGE_STARTED,
        MESSAGE_STOPPING,
        MESSAGE_MIRRORED,
        MESSAGE_IN_SYNC,
        MESSAGE_TARGET_BACK,
        MESSAGE_TARGET_HUNG,
        MESSAGE_WORKER_DIED,
        MESSAGE_WATCH_LIMIT,
        MESSAGE_WATCH_ERROR,
        MESSAGE_OVERFLOW,
        MESSAGE_STATE_FAILED,
        MESSAGE_STATE_BROKEN,
        MESSAGE_STOP_PENDING,
        MESSAGE_FAULT,
};

/* What the words may speak of; all may be NULL or 0. */
struct message_args {
        const char *root;  /* ROOT */
        const char *esp;   /* the mount point of the ESP that it is about */
        const char *path;  /* escaped when it is put into words */
        const char *other; /* likewise */
        uint64_t number;
        int error;      /* errno */
        uint64_t bytes; /* these two go to the journal's fields only */
        uint64_t usec;
};

struct message_form {
        int message;      /* enum message or enum finding_kind */
        int level;        /* syslog's */
        const char *name; /* short and stable: BOOTSYNC_REASON= */
        const char *id;   /* MESSAGE_ID= */
        const char *words;
};

/* All messages, in the order of their numbers. */
extern const struct message_form message_forms[];
extern const size_t message_forms_n;

/* Never NULL for a number of the two enums. */
const struct message_form *message_form(int message);

/*
 * Appends the words, with {root} {esp} {path} {other} {number} {error} {where} filled in; {error} is
 * ": text of errno" or nothing, {where} is the ESP's or ROOT's path and a slash. 0 or -ENOMEM.
 */
_must_check_ int message_format(struct buf *buf, const struct message_form *form,
                                const struct message_args *args);
