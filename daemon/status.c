/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The status line.
 */
#include "status.h"

#include <inttypes.h>
#include <time.h>

#define MEGA UINT64_C(1000000)

static int append_since(struct buf *buf, uint64_t since) {
        time_t seconds = (time_t) (since / MEGA);
        char text[sizeof("2026-01-01 00:00:00")];
        struct tm local;

        if (!localtime_r(&seconds, &local) ||
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0)
                return 0;
        return buf_appendf(buf, " since %s", text);
}

int status_format_progress(struct buf *buf, const struct mirror *mirror,
                           const struct round_progress *progress) {
        if (progress->total < MEGA)
                return buf_appendf(buf, "%s@%c: updating", mirror->config.root, progress->letter);
        return buf_appendf(buf, "%s@%c: updating, %" PRIu64 " of %" PRIu64 " MB",
                           mirror->config.root, progress->letter, progress->done / MEGA,
                           progress->total / MEGA);
}

static int append_state(struct buf *buf, const struct target *target) {
        switch (target->state) {
        case TARGET_UNKNOWN:
        case TARGET_PENDING:
                return buf_append_string(buf, "waiting");
        case TARGET_MISSING:
                return buf_append_string(buf, "not mounted");
        case TARGET_WORKING:
                return buf_append_string(buf, "updating");
        case TARGET_IN_SYNC:
                return buf_append_string(buf, "in sync");
        case TARGET_HELD:
                return buf_append_string(buf, "held back");
        case TARGET_FAILED:
                return buf_append_string(buf, "failed");
        case TARGET_HUNG:
                return buf_append_string(buf, "does not answer");
        }
        return 0;
}

static int append_target(struct buf *buf, const struct mirror *mirror, const struct target *target,
                         const struct round_progress *progress) {
        int r;

        r = buf_append_string(buf, "; ");
        if (r < 0)
                return r;
        if (progress->letter == target->letter)
                return status_format_progress(buf, mirror, progress);
        r = buf_appendf(buf, "%s@%c ", mirror->config.root, target->letter);
        if (r == 0)
                r = append_state(buf, target);
        if (r == 0 && target->since && target->state == target->settled)
                r = append_since(buf, target->since);
        if (r == 0 && (target->state == TARGET_HELD || target->state == TARGET_FAILED))
                r = buf_append_string(buf, " (see the journal)");
        return r;
}

int status_format(struct buf *buf, const struct mirror *mirror,
                  const struct round_progress *progress) {
        bool any = false;
        int r;

        r = buf_appendf(buf, "%s is %s@%c", mirror->config.root, mirror->config.root,
                        mirror->roles.active ? mirror->roles.active : '?');
        for (size_t i = 0; i < ROLES_MEMBERS && r == 0; i++) {
                if (!mirror_is_target(mirror, mirror->targets[i].letter))
                        continue;
                any = true;
                r = append_target(buf, mirror, &mirror->targets[i], progress);
        }
        if (r == 0 && !any)
                r = buf_append_string(buf, "; there is no other ESP to mirror to");
        if (r == 0 && mirror->source_failures > 0)
                r = buf_append_string(buf, "; held back by the source (see the journal)");
        else if (r == 0 && (report_problems(mirror->report, REPORT_SOURCE) > 0 ||
                            report_problems(mirror->report, REPORT_FILES) > 0))
                r = buf_append_string(buf, "; not all files are mirrored (see the journal)");
        return r;
}
