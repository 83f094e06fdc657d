/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that is known of the machine: settings, roles, the source, the targets.
 */
#pragma once

#include "base/attr.h"
#include "core/config.h"
#include "core/roles.h"
#include "report.h"
#include "source.h"
#include "target.h"

#include <stdbool.h>

struct mirror {
        struct report *report; /* not owned */
        struct config config;
        struct roles roles;
        struct findings role_problems; /* guards 1 and 2, of the last look */
        struct source source;
        const struct pathset *vouched; /* for each member: removals that the administrator agreed
                                          to; NULL: none. Not owned */
        unsigned source_failures;      /* rounds in a row that a guard of the source held back */
        uint64_t source_retry;         /* CLOCK_MONOTONIC microseconds; 0: no retry is due */
        struct target targets[ROLES_MEMBERS];
};

/* Takes over config. */
void mirror_init(struct mirror *mirror, struct report *report, struct config *config);
void mirror_done(struct mirror *mirror);

enum mirror_outcome {
        MIRROR_CHANGED = 1,   /* at least one target came, went or is another one */
        MIRROR_REMOUNTED = 2, /* the same file system is mounted on ROOT anew: no watch is left */
        MIRROR_LOST = 3,      /* ROOT is not on the source any more */
};

/* Looks at the mounts. The first look decides what the source is, if guards 1 and 2 let it. 0, an
 * outcome (the last that applies), or < 0. */
_must_check_ int mirror_update(struct mirror *mirror);

/* A member that is no source: it exists, mounted or not. */
bool mirror_is_target(const struct mirror *mirror, char letter);

struct target *mirror_target(struct mirror *mirror, char letter);

/* Sets a target's state, and the time of the change: waiting and working in between do not count. */
void mirror_set_state(struct target *target, enum target_state state);

/* The settings of a reload: all but Root= and Bind=, which stay. Takes over config. *ret_restart:
 * one of these two differs. */
void mirror_reconfigure(struct mirror *mirror, struct config *config, bool *ret_restart);
