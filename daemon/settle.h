/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has changed on the source and was not looked at yet, and when it is time to look: after
 * a quiet spell, but not later than some delay after the first change.
 */
#pragma once

#include "base/attr.h"
#include "base/pathset.h"

#include <stdbool.h>
#include <stdint.h>

/* More single paths than this, and everything is looked at. */
#define SETTLE_PATHS_MAX 4096

struct settle {
        struct pathset paths;
        bool all;
        uint64_t first; /* CLOCK_MONOTONIC microseconds of the first and the last change; */
        uint64_t last;  /* 0: there is none */
};

void settle_done(struct settle *settle);

/* Notes a change of path at the time now; settle_add_all(): of anything. 0 or -ENOMEM. */
_must_check_ int settle_add(struct settle *settle, const char *path, uint64_t now);
void settle_add_all(struct settle *settle, uint64_t now);

bool settle_is_empty(const struct settle *settle);

/* When to look; 0 if nothing has changed. */
uint64_t settle_due(const struct settle *settle, uint64_t debounce, uint64_t max_delay);

/* Whether path may have changed since the last look. */
bool settle_covers(const struct settle *settle, const char *path);
