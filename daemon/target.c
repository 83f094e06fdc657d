/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a target: its manifest as of the last look, and the baseline, in memory and on disk.
 */
#include "target.h"

#include "core/entry.h"
#include "os/state.h"

#include <errno.h>
#include <string.h>

/* A log that is longer than this and than twice what it says is written anew. */
#define COMPACT_SIZE (64U * 1024U)
#define RECORD_SIZE_GUESS 160U

void target_reset(struct target *target) {
        manifest_done(&target->manifest);
        pathset_done(&target->dirty);
        pathset_done(&target->unflushed);
        baseline_done(&target->baseline);
        buf_done(&target->log);
        *target = (struct target){ .letter = target->letter };
}

int target_load(struct target *target, const char *source_uuid, int *ret_error) {
        bool rewrite = false;
        int r;

        *ret_error = 0;
        baseline_done(&target->baseline);
        buf_done(&target->log);
        target->baseline_stored = false;
        target->baseline_size = 0;
        if (!target->uuid[0] || !source_uuid[0])
                return 0;
        r = state_load(STATE_DIRECTORY, target->uuid, source_uuid, &target->baseline, &rewrite);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                *ret_error = -r;
        target->baseline_stored = r == 0 && !rewrite;
        return 0;
}

int target_note(struct target *target, const struct record *record) {
        int r;

        r = baseline_set(&target->baseline, record);
        return r < 0 ? r : baseline_format_record(&target->log, record);
}

int target_note_gone(struct target *target, const char *key) {
        if (!baseline_find(&target->baseline, key))
                return 0;
        baseline_drop(&target->baseline, key);
        return baseline_format_drop(&target->log, key);
}

static int store_whole(struct target *target, const char *source_uuid) {
        int r;

        if (!target->baseline.source) {
                target->baseline.source = strdup(source_uuid);
                if (!target->baseline.source)
                        return -ENOMEM;
        }
        r = state_store(STATE_DIRECTORY, target->uuid, &target->baseline);
        if (r < 0)
                return r;
        target->baseline_stored = true;
        target->baseline_size = target->baseline.n * RECORD_SIZE_GUESS;
        return 0;
}

static bool is_bloated(const struct target *target) {
        return target->baseline_size > COMPACT_SIZE &&
               target->baseline_size > 2 * target->baseline.n * RECORD_SIZE_GUESS;
}

int target_store(struct target *target, const char *source_uuid) {
        int r;

        if (!target->uuid[0] || !source_uuid[0]) {
                buf_done(&target->log);
                return 0;
        }
        if (target->log.size == 0)
                return 0;
        if (target->baseline_stored && !is_bloated(target))
                r = state_append(STATE_DIRECTORY, target->uuid, &target->log,
                                 &target->baseline_size);
        else
                r = -ENOENT;
        if (r == -ENOENT)
                r = store_whole(target, source_uuid);
        if (r < 0) {
                target->baseline_stored = false;
                return r;
        }
        buf_done(&target->log);
        return 0;
}

int target_distrust(struct target *target, const char *path) {
        _cleanup_free_ char *key = entry_identity(path);

        if (!key)
                return -ENOMEM;
        /* payload may have a name like an entry's with a counter: its key is the path */
        baseline_distrust(&target->baseline, key);
        baseline_distrust(&target->baseline, path);
        return 0;
}
