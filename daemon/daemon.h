/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop: what happened, and what is done about it.
 */
#pragma once

#include "base/attr.h"
#include "base/pathset.h"
#include "core/config.h"
#include "report.h"

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses, see bootsyncd(8). */
enum exit_status {
        EXIT_DONE = 0,
        EXIT_HELD = 1, /* something was held back or failed; diff: there are differences */
        EXIT_USAGE = 2,
        EXIT_LOST = 69,   /* ROOT is not bound to the source any more: start afresh */
        EXIT_LOCKED = 75, /* another one is at work */
        EXIT_PERMISSION = 77,
        EXIT_CONFIG = 78,
};

enum daemon_mode {
        DAEMON_SERVE, /* until SIGTERM */
        DAEMON_SYNC,  /* one round */
        DAEMON_DIFF,  /* one round that writes nothing and lists its steps */
};

struct daemon_options {
        enum daemon_mode mode;
        const char *config_file; /* NULL: the default */
        /* sync --prune: what the source lacks goes, seen or not. DAEMON_DIFF takes every removal for
         * agreed, lists removals only, and collects their paths here, by member; DAEMON_SYNC agrees to
         * those that are here. NULL: no pruning. */
        struct pathset *removals;
};

/* Runs to the end. Takes over config. The caller holds the lock, unless nothing is written.
 * *ret_steps (may be NULL) is the number of steps that were listed. Returns an enum exit_status. */
_must_check_ int daemon_run(struct report *report, struct config *config,
                            const struct daemon_options *options, uint64_t *ret_steps);
