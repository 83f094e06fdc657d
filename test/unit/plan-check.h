/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds the plan for one pair of disks, does it step by step on the disk in memory, and holds it
 * to its promises at every prefix.
 */
#pragma once

#include "fixture.h"

#include "core/finding.h"
#include "core/plan.h"

/* All that a plan is made from. */
struct world {
        const char *name; /* said when a promise is broken */
        struct scope scope;
        struct disk source;
        struct disk target;
        struct strlist modules;
        struct strlist seen; /* removals that were seen */
        struct baseline baseline;
        bool has_baseline;
        const char *running;
        bool source_complete;
        bool prune;
        bool fat;
        uint64_t free;
        uint32_t cluster;
};

/* Empty disks, all is well, much room. */
struct world world_new(const char *name, const char *extra_paths);
void world_done(struct world *world);
#define _cleanup_world_ _cleanup_(world_done)

enum plan_mood {
        MOOD_NORMAL,
        MOOD_RETIRES_FIRST,
        MOOD_PARTLY, /* all but the renames fits */
        MOOD_FULL,
        MOOD_N,
};

/* What came out, for those who count. */
struct outcome {
        enum plan_mood mood;
        bool equal;           /* nothing was held back, and the trees were equal at the end */
        size_t n_steps;       /* of the first round */
        size_t rounds;        /* until there was nothing to do */
        struct strlist steps; /* of the first round: "put PATH", "unlink PATH" … */
        struct strlist found; /* of the first round: "1201 PATH OTHER", the number first */
};

void outcome_done(struct outcome *outcome);
#define _cleanup_outcome_ _cleanup_(outcome_done)

/* Runs rounds until nothing is left to do; fails the test at the first broken promise. The target
 * is changed by it. */
void world_run(struct world *world, struct outcome *ret_outcome);
