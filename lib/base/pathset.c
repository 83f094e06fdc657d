/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sorted array, found by halving: small, and cheap to read in order.
 */
#include "base/pathset.h"

#include "base/relpath.h"

#include <errno.h>
#include <string.h>

void pathset_done(struct pathset *set) {
        strlist_done(&set->paths);
}

static size_t lower_bound(const struct pathset *set, const char *path) {
        size_t low = 0, high = set->paths.n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (relpath_compare(set->paths.items[middle], path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool has_at(const struct pathset *set, size_t at, const char *path) {
        return at < set->paths.n && relpath_equal(set->paths.items[at], path);
}

bool pathset_contains(const struct pathset *set, const char *path) {
        return has_at(set, lower_bound(set, path), path);
}

int pathset_add(struct pathset *set, const char *path) {
        size_t at = lower_bound(set, path), last = set->paths.n;
        char **items, *added;
        int r;

        if (has_at(set, at, path))
                return 0;
        r = strlist_add(&set->paths, path);
        if (r < 0)
                return r;
        items = set->paths.items;
        added = items[last];
        memmove(&items[at + 1], &items[at], (last - at) * sizeof(*items));
        items[at] = added;
        return 0;
}

bool pathset_covers(const struct pathset *set, const char *path) {
        char buffer[4096];
        size_t n = strlen(path);

        if (set->paths.n == 0 || n >= sizeof(buffer))
                return false;
        memcpy(buffer, path, n + 1);
        for (;;) {
                if (pathset_contains(set, buffer))
                        return true;
                if (buffer[0] == '\0')
                        return false;
                buffer[relpath_dir_length(buffer)] = '\0';
        }
}

void pathset_filter(struct pathset *set, bool (*keep)(const char *path, const void *userdata),
                    const void *userdata) {
        size_t kept = 0;

        for (size_t i = 0; i < set->paths.n; i++) {
                char *path = set->paths.items[i];

                if (keep(path, userdata))
                        set->paths.items[kept++] = path;
                else
                        free(path);
        }
        set->paths.n = kept;
}
