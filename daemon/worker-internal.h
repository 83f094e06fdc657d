/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside of the worker: worker.c finds out what is to be done, worker-execute.c does it.
 */
#pragma once

#include "core/diff.h"
#include "core/plan.h"
#include "os/apply.h"
#include "worker.h"

struct worker {
        const struct worker_job *job;
        int channel;
        int source; /* descriptors of the root directories */
        int target;
        struct tree_space space;
        struct manifest *manifest; /* of the target */
        bool target_unreadable;
        bool source_faults; /* something of the source could not be read */
        uint64_t bytes, put, removed;
};

/* What became of a step, or of all of them. */
enum worker_step {
        WORKER_STEP_DONE = 0,
        WORKER_STEP_SKIPPED = 1, /* the source's fault: what depends on it waits */
        WORKER_STEP_FAILED = 2,  /* the target's fault */
        WORKER_STEP_STOPPED = 3,
};

_must_check_ int worker_tell(struct worker *w, enum finding_kind kind, const char *path,
                             const char *other, uint64_t number, int error);

/* For tree_compare() and apply: sends CHANNEL_PROGRESS. userdata is the worker. */
int worker_on_progress(uint64_t bytes, void *userdata);

/* Brings manifest up to date at path, and tells the daemon. 0 or < 0. */
_must_check_ int worker_rescan(struct worker *w, const char *path);

/* Does the steps of plan. enum worker_step, or < 0. */
_must_check_ int worker_execute(struct worker *w, const struct plan *plan);
