/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One target, brought up to date by a process of its own.
 *
 * A disk that does not answer holds up whoever asks it, and no signal helps: only another process
 * can go on without it. The worker is a fork of the daemon, so that it has all that the daemon
 * knows; what it learns it sends back, and its buffers end with it.
 */
#pragma once

#include "base/attr.h"
#include "core/config.h"
#include "source.h"
#include "target.h"

#include <stdbool.h>
#include <sys/types.h>

enum worker_outcome {
        WORKER_DONE = 0,   /* every step of the plan was done: what findings there were stand */
        WORKER_HELD = 1,   /* a guard holds the target back */
        WORKER_FAILED = 2, /* a step failed; the plan was not finished */
        WORKER_STOPPED = 3,
};

struct worker_job {
        const struct config *config;
        const struct source *source;
        struct target *target; /* the worker's own copy: changes stay in the process */
        const char *target_path;
        bool dry;                      /* tell the steps, do none */
        bool tell_steps;               /* send each step before it is done */
        const struct pathset *vouched; /* removals that were agreed to: see plan.h; NULL: none */
};

/* Starts the worker. *ret_channel is the daemon's end. 0 or < 0. */
_must_check_ int worker_start(const struct worker_job *job, pid_t *ret_pid, int *ret_channel);
