/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set of relative paths (relpath.h), in the order of relpath_compare().
 */
#pragma once

#include "base/attr.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>

struct pathset {
        struct strlist paths; /* sorted, no duplicates; to be read, not changed, by others */
};

#define PATHSET_INIT ((struct pathset){ 0 })

void pathset_done(struct pathset *set);

/* 0 or -ENOMEM. */
_must_check_ int pathset_add(struct pathset *set, const char *path);

bool pathset_contains(const struct pathset *set, const char *path);

/* Whether path or one of the directories above it is in the set. */
bool pathset_covers(const struct pathset *set, const char *path);

/* Keeps only the paths for which keep() says so. */
void pathset_filter(struct pathset *set, bool (*keep)(const char *path, const void *userdata),
                    const void *userdata);
