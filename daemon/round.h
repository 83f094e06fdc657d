/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One reconciliation: the source is looked at, then each target that needs it gets a worker, one
 * after the other. At any time at most one target holds writes of ours that are not flushed, but
 * for one that stopped answering.
 */
#pragma once

#include "base/attr.h"
#include "base/pathset.h"
#include "channel.h"
#include "mirror.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct round;

struct round_progress {
        char letter;   /* the target at work, or 0 */
        uint64_t done; /* bytes of this stage */
        uint64_t total;
};

/* What a round asks of its owner, or tells it. userdata comes from round_new(). */
struct round_hooks {
        /* Whether a path of the source may have changed since the round looked. All events that
         * have happened by now must count. */
        bool (*is_dirty)(const char *path, void *userdata);
        /* A path of the source must be looked at again later. */
        int (*later)(const char *path, void *userdata);
        /* A worker, or the supervision of it, went on. */
        void (*progress)(const struct round_progress *progress, void *userdata);
        /* Told for each step if ROUND_TELL is set. */
        void (*step)(char letter, const struct channel_message *step, void *userdata);
        /* All targets are through. */
        int (*done)(void *userdata);
};

enum round_flags {
        ROUND_ALL = 1 << 0,  /* look at everything, on all sides */
        ROUND_DRY = 1 << 1,  /* write nothing */
        ROUND_TELL = 1 << 2, /* tell the steps */
};

/* hooks and mirror must outlive the round. 0 or < 0. */
_must_check_ int round_new(sd_event *event, struct mirror *mirror, const struct round_hooks *hooks,
                           void *userdata, struct round **ret_round);
struct round *round_free(struct round *round);

enum round_outcome {
        ROUND_HELD = 1, /* a guard of the source: nothing was or will be done */
        ROUND_LOST = 2, /* the source is gone */
};

/*
 * Begins a round; none may be active. paths on the source are looked at again. 0: it runs, and
 * done() is called when it ends, perhaps from within. ROUND_HELD, ROUND_LOST, or < 0: it is over.
 */
_must_check_ int round_start(struct round *round, unsigned flags, const struct pathset *paths);

bool round_is_active(const struct round *round);

/* The letter of the target whose worker runs, or 0. */
char round_working_on(const struct round *round);

/* Kills the worker; the round is over, without done(). */
void round_abort(struct round *round);

/* Shortens the patience with a target that does not answer: the machine goes down. */
void round_hurry(struct round *round);

/* Lets the next round try failed targets again, whatever their time. */
void round_retry_failed(struct mirror *mirror);

/* When the next target is to be tried again (CLOCK_MONOTONIC microseconds); 0: none. */
uint64_t round_next_retry(const struct mirror *mirror);
