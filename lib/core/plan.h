/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From differences to ordered steps for one target.
 *
 * The promise: after every step (each is durable before the next one begins), whatever an entry on
 * the target names is there and complete, if it was so before or if we wrote the entry; and as long
 * as the target could be booted, it still can.
 */
#pragma once

#include "base/attr.h"
#include "base/pathset.h"
#include "core/baseline.h"
#include "core/diff.h"
#include "core/finding.h"
#include "core/manifest.h"
#include "core/scope.h"
#include "core/witness.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum step_kind {
        STEP_UNLINK, /* remove the file path */
        STEP_RMDIR,  /* remove the directory path, if it is empty then */
        STEP_MKDIR,
        STEP_PUT, /* make path hold what the source's file holds */
};

struct step {
        enum step_kind kind;
        char *path;                  /* on the target */
        const struct change *change; /* STEP_PUT: what it comes from. STEP_UNLINK of a surplus form:
                                        the change that must have been put before. Else NULL */
        bool entry;                  /* it publishes or retires an entry or UKI */
};

struct plan_input {
        const struct scope *scope;
        const struct manifest *source;
        const struct manifest *target;
        const struct diff *diff;       /* a CHANGE_COMPARE that is left: the source's file cannot be
                                          read, and nothing is done about it */
        const struct strlist *modules; /* the names in /lib/modules */
        const struct witness *witness;
        const char *newest;            /* the newest kernel: guard 5 has passed */
        const char *running;           /* the running kernel's version; "" if unknown */
        bool source_complete;          /* guard 7: every directory and entry could be read */
        const struct pathset *vouched; /* removals that the administrator agreed to, as paths on the
                                          target; with "" in it: to every one. NULL: none */
        bool fat;                      /* the target's file system is FAT */
        uint64_t free;                 /* bytes in whole clusters */
        uint32_t cluster;
};

struct plan {
        struct step *steps;
        size_t n;
        size_t room;
        uint64_t bytes; /* that the PUTs will write */
        bool full; /* guard 10: it does not fit; the only steps are those that remove leftovers */
        bool retires_first; /* room had to be made before anything could be written */
};

#define PLAN_INIT ((struct plan){ 0 })

void plan_done(struct plan *plan);
#define _cleanup_plan_ _cleanup_(plan_done)

/* What is held back goes to findings. The plan points into the manifests and the diff. 0 or
 * -ENOMEM. */
_must_check_ int plan_build(const struct plan_input *input, struct plan *ret_plan,
                            struct findings *findings);
