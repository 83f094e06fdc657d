/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of the active ESP, and of the system that it boots.
 */
#pragma once

#include "base/attr.h"
#include "core/config.h"
#include "core/finding.h"
#include "core/manifest.h"
#include "core/roles.h"
#include "core/scope.h"
#include "core/witness.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/utsname.h>

struct source {
        char *root;  /* ROOT */
        dev_t devno; /* the file system that must be there */
        char uuid[ROLES_UUID_SIZE];
        struct scope scope;
        struct manifest manifest;
        bool scanned;             /* manifest is that of the whole tree */
        bool complete;            /* all of it could be read */
        struct findings problems; /* what the scans met */
        struct strlist modules;   /* /lib/modules */
        const char *newest;       /* one of modules, or NULL */
        char running[sizeof(((struct utsname *) NULL)->release)];
        struct witness witness;
};

void source_done(struct source *source);

/* Reads the machine id and the entry tokens. *ret_changed: the scope is another one than before, and
 * nothing of the tree is known. Guard 4 goes to findings. 0 or < 0. */
_must_check_ int source_identify(struct source *source, const struct config *config,
                                 bool *ret_changed, struct findings *findings);

enum source_outcome {
        SOURCE_LOST = 1, /* ROOT is not that file system any more, or its disk is gone */
};

/* Opens ROOT: a descriptor in *ret_fd. 0, SOURCE_LOST or < 0. */
_must_check_ int source_open(const struct source *source, int *ret_fd);

/*
 * Looks at the paths again, or at the whole tree if all is set or nothing is known yet, and at
 * /lib/modules; asks the guards 3 to 7. 0, SOURCE_LOST or < 0.
 */
_must_check_ int source_refresh(struct source *source, bool all, const struct strlist *paths,
                                struct findings *findings);
