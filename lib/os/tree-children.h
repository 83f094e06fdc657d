/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a directory's content is in scope. Internal to the walk.
 */
#pragma once

#include "base/attr.h"
#include "core/manifest.h"
#include "core/scope.h"

#include <stdbool.h>
#include <stddef.h>

struct child {
        char *path;
        enum scope_class class;
        struct manifest_stat st;
        bool mount_point;
        int error; /* it is there, but could not be looked at */
};

struct children {
        struct child *items;
        size_t n;
        size_t room;
};

#define CHILDREN_INIT ((struct children){ 0 })

void children_done(struct children *children);
#define _cleanup_children_ _cleanup_(children_done)

enum children_outcome {
        CHILDREN_TOO_MANY = 1, /* there are more than max; the first ones are returned */
};

/* Adds the name in dir, whose descriptor is dirfd, if it is there and in scope. 0, CHILDREN_TOO_MANY
 * or -ENOMEM. */
_must_check_ int children_add(struct children *children, const struct scope *scope, int dirfd,
                              const char *dir, const char *name, size_t max);

/*
 * Adds what the directory dir below root holds, in the order of relpath_compare(); names that
 * differ in case only in byte order. *ret_error is 0, or says why not all of it could be read.
 * 0, CHILDREN_TOO_MANY or -ENOMEM.
 */
_must_check_ int children_read(struct children *children, const struct scope *scope, int root,
                               const char *dir, size_t max, int *ret_error);
