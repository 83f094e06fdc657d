/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors are handed out in ascending order, so that a new one goes to the end; each event looks
 * one up. Left out on purpose: an index by path. Only a directory that goes away is looked up so.
 */
#include "os/watch-table.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

void watch_table_done(struct watch_table *table) {
        for (size_t i = 0; i < table->n; i++)
                free(table->dirs[i].path);
        free(table->dirs);
        *table = WATCH_TABLE_INIT;
}

static size_t table_lower_bound(const struct watch_table *table, int wd) {
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (table->dirs[middle].wd < wd)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

const struct watch_dir *watch_table_find(const struct watch_table *table, int wd) {
        size_t at = table_lower_bound(table, wd);

        return at < table->n && table->dirs[at].wd == wd ? &table->dirs[at] : NULL;
}

static int table_make_room(struct watch_table *table) {
        size_t room = table->room > 0 ? table->room * 2 : 16;
        struct watch_dir *dirs;

        if (table->n < table->room)
                return 0;
        dirs = reallocarray(table->dirs, room, sizeof(*dirs));
        if (!dirs)
                return -ENOMEM;
        table->dirs = dirs;
        table->room = room;
        return 0;
}

int watch_table_set(struct watch_table *table, int wd, const char *path, unsigned round) {
        _cleanup_free_ char *copy = strdup(path);
        size_t at = table_lower_bound(table, wd);
        int r;

        if (!copy)
                return -ENOMEM;
        if (at < table->n && table->dirs[at].wd == wd) {
                free(table->dirs[at].path);
        } else {
                r = table_make_room(table);
                if (r < 0)
                        return r;
                memmove(&table->dirs[at + 1], &table->dirs[at],
                        (table->n - at) * sizeof(struct watch_dir));
                table->n++;
        }
        table->dirs[at] = (struct watch_dir){ .wd = wd, .round = round, .path = steal_ptr(copy) };
        return 0;
}

void watch_table_drop(struct watch_table *table, int wd) {
        size_t at = table_lower_bound(table, wd);

        if (at == table->n || table->dirs[at].wd != wd)
                return;
        free(table->dirs[at].path);
        table->n--;
        memmove(&table->dirs[at], &table->dirs[at + 1], (table->n - at) * sizeof(struct watch_dir));
}

void watch_table_prune(struct watch_table *table, int fd, watch_keep_fn keep,
                       const void *userdata) {
        size_t kept = 0;

        for (size_t i = 0; i < table->n; i++) {
                struct watch_dir dir = table->dirs[i];

                if (keep(&dir, userdata)) {
                        table->dirs[kept++] = dir;
                        continue;
                }
                /* it fails where the directory itself is gone, and the watch with it */
                (void) inotify_rm_watch(fd, dir.wd);
                free(dir.path);
        }
        table->n = kept;
}
