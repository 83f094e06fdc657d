/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which directory a watch descriptor stands for. Internal to watch.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

struct watch_dir {
        int wd;
        unsigned round; /* of the last watch_start() that found it */
        char *path;
};

struct watch_table {
        struct watch_dir *dirs; /* ascending by wd */
        size_t n;
        size_t room;
};

#define WATCH_TABLE_INIT ((struct watch_table){ 0 })

void watch_table_done(struct watch_table *table);

/* NULL if wd stands for nothing (any more). */
const struct watch_dir *watch_table_find(const struct watch_table *table, int wd);

/* Adds wd, or gives it another path and round. 0 or -ENOMEM. */
_must_check_ int watch_table_set(struct watch_table *table, int wd, const char *path,
                                 unsigned round);

/* Forgets wd; an unknown one is no error. */
void watch_table_drop(struct watch_table *table, int wd);

/* Forgets all directories that keep() does not want, and gives the watch of each back to the inotify
 * descriptor fd. */
typedef bool (*watch_keep_fn)(const struct watch_dir *dir, const void *userdata);
void watch_table_prune(struct watch_table *table, int fd, watch_keep_fn keep, const void *userdata);
