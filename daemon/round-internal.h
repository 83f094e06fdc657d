/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside of a round: round.c says who is next, round-worker.c keeps company with the worker,
 * round-result.c draws the conclusions.
 */
#pragma once

#include "round.h"

#include <sys/types.h>

struct round {
        sd_event *event;
        struct mirror *mirror;
        const struct round_hooks *hooks;
        void *userdata;
        bool active;
        bool hurry;
        bool planned; /* at least one worker came as far as to ask every entry */
        unsigned flags;
        struct round_progress progress;
        /* the worker */
        pid_t pid;
        int channel;
        unsigned ticks;
        uint64_t started;
        bool finished; /* result is valid */
        struct channel_message result;
        bool skipped;
        char *buffer;
        sd_event_source *channel_source, *child_source, *tick_source;
        /* workers that were given up, by member */
        sd_event_source *hung[ROLES_MEMBERS];
};

/* How long to wait after so many failures in a row. Microseconds. */
uint64_t round_retry_delay(const struct round *round, unsigned failures);

/* The target is not up to date, and is tried again later. */
void round_set_failed(struct round *round, struct target *target, enum target_state state);

/* Takes round->result for what it means, and says it. */
void round_take_result(struct round *round, struct target *target);

/* Brings to disk what was learned; a failure is said. */
void round_store_baseline(struct round *round, struct target *target);

/* Starts the worker for target, and listens to it. 0 or < 0. */
_must_check_ int round_start_worker(struct round *round, struct target *target);

/* Stops listening. The process, if there still is one, goes on. */
void round_forget_worker(struct round *round);

/* Kills the worker and stops listening. It ends when its disk lets it; until then its target is left
 * alone. 0 or < 0. */
_must_check_ int round_kill_worker(struct round *round);

/* The worker has ended, with round->result if round->finished: what that means, and who is next. */
_must_check_ int round_worker_ended(struct round *round);

/* The worker does not answer: it was given up. */
_must_check_ int round_worker_hung(struct round *round);
