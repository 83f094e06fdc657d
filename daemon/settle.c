/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set with two time stamps. It knows no clock: the caller brings the time.
 */
#include "settle.h"

void settle_done(struct settle *settle) {
        pathset_done(&settle->paths);
        *settle = (struct settle){ 0 };
}

static void stamp(struct settle *settle, uint64_t now) {
        if (settle->first == 0)
                settle->first = now;
        settle->last = now;
}

int settle_add(struct settle *settle, const char *path, uint64_t now) {
        stamp(settle, now);
        if (settle->all)
                return 0;
        if (settle->paths.paths.n >= SETTLE_PATHS_MAX) {
                settle_add_all(settle, now);
                return 0;
        }
        return pathset_add(&settle->paths, path);
}

void settle_add_all(struct settle *settle, uint64_t now) {
        stamp(settle, now);
        settle->all = true;
        pathset_done(&settle->paths);
}

bool settle_is_empty(const struct settle *settle) {
        return settle->first == 0;
}

uint64_t settle_due(const struct settle *settle, uint64_t debounce, uint64_t max_delay) {
        uint64_t quiet = settle->last + debounce, latest = settle->first + max_delay;

        if (settle_is_empty(settle))
                return 0;
        return quiet < latest ? quiet : latest;
}

bool settle_covers(const struct settle *settle, const char *path) {
        return settle->all || pathset_covers(&settle->paths, path);
}
