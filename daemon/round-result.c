/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker's result means for its target: its state, when it is tried again, what is said, and
 * what is remembered.
 */
#include "round-internal.h"

#include "base/timespan.h"
#include "waiter.h"
#include "worker.h"

#include <inttypes.h>

#define RETRY_MIN (10 * USEC_PER_SEC)
#define RETRY_DOUBLINGS_MAX 10

uint64_t round_retry_delay(const struct round *round, unsigned failures) {
        uint64_t limit = round->mirror->config.rescan_interval, delay = RETRY_MIN;

        for (unsigned i = 1; i < failures && i < RETRY_DOUBLINGS_MAX; i++)
                delay *= 2;
        return delay < limit ? delay : limit;
}

uint64_t round_next_retry(const struct mirror *mirror) {
        uint64_t next = mirror->source_retry;

        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                uint64_t retry = mirror->targets[i].retry;

                if (retry && mirror_is_target(mirror, mirror->targets[i].letter) &&
                    (next == 0 || retry < next))
                        next = retry;
        }
        return next;
}

void round_set_failed(struct round *round, struct target *target, enum target_state state) {
        target->failures++;
        target->retry = waiter_now() + round_retry_delay(round, target->failures);
        target->scanned = false;
        mirror_set_state(target, state);
}

static int format_bytes(struct buf *buf, uint64_t bytes) {
        if (bytes >= 1000000)
                return buf_appendf(buf, "%" PRIu64 ".%" PRIu64 " MB", bytes / 1000000,
                                   bytes / 100000 % 10);
        return buf_appendf(buf, "%" PRIu64 " bytes", bytes);
}

static int format_mirrored(struct buf *buf, const struct channel_message *result, uint64_t usec) {
        int r = 0;

        if (result->put > 0) {
                r = buf_appendf(buf, "mirrored %" PRIu64 " file%s (", result->put,
                                result->put == 1 ? "" : "s");
                if (r == 0)
                        r = format_bytes(buf, result->number);
                if (r == 0)
                        r = buf_append_string(buf, result->removed > 0 ? "), " : ")");
        }
        if (r == 0 && result->removed > 0)
                r = buf_appendf(buf, "removed %" PRIu64, result->removed);
        if (r < 0)
                return r;
        if (usec < USEC_PER_SEC)
                return buf_appendf(buf, " in %" PRIu64 " ms", usec / USEC_PER_MSEC);
        return buf_appendf(buf, " in %" PRIu64 ".%" PRIu64 " s", usec / USEC_PER_SEC,
                           usec / (USEC_PER_SEC / 10) % 10);
}

static void report_mirrored(struct round *round, struct target *target, bool in_sync) {
        uint64_t usec = waiter_now() - round->started;
        _cleanup_buf_ struct buf text = BUF_INIT;
        int r;

        r = format_mirrored(&text, &round->result, usec);
        if (r == 0)
                r = buf_append_string(&text, in_sync ? "; in sync" : "; not all is in sync");
        if (r == 0)
                report_message(round->mirror->report, MESSAGE_MIRRORED, target->letter,
                               (struct message_args){ .other = buf_string(&text),
                                                      .bytes = round->result.number,
                                                      .usec = usec });
}

static void set_done(struct round *round, struct target *target) {
        struct report *report = round->mirror->report;
        bool in_sync = report_problems(report, target->letter) == 0 && !round->skipped &&
                       !round->result.flag;
        bool was_in_sync = target->settled == TARGET_IN_SYNC;
        bool wrote = round->result.put + round->result.removed > 0;

        target->failures = in_sync ? 0 : target->failures;
        target->retry = 0;
        target->scanned = true;
        pathset_done(&target->unflushed);
        pathset_done(&target->dirty);
        if (wrote)
                target->settled = TARGET_UNKNOWN; /* in sync, but since now */
        if (!in_sync && !round->skipped)
                target->retry = waiter_now() + round_retry_delay(round, ++target->failures);
        mirror_set_state(target, in_sync          ? TARGET_IN_SYNC
                                 : round->skipped ? TARGET_PENDING
                                                  : TARGET_HELD);
        if (round->flags & ROUND_DRY)
                return;
        if (wrote)
                report_mirrored(round, target, in_sync);
        else if (in_sync && !was_in_sync)
                report_message(report, MESSAGE_IN_SYNC, target->letter, (struct message_args){ 0 });
}

void round_take_result(struct round *round, struct target *target) {
        struct report *report = round->mirror->report;

        switch ((enum worker_outcome) round->result.kind) {
        case WORKER_DONE:
                report_end(report, target->letter);
                round->planned = true;
                set_done(round, target);
                return;
        case WORKER_HELD:
                report_end(report, target->letter);
                round_set_failed(round, target, TARGET_HELD);
                return;
        case WORKER_FAILED:
                round_set_failed(round, target, TARGET_FAILED);
                return;
        case WORKER_STOPPED:
                target->scanned = false;
                mirror_set_state(target, TARGET_PENDING);
                return;
        }
}

void round_store_baseline(struct round *round, struct target *target) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        int r;

        if (round->flags & ROUND_DRY)
                return;
        r = target_store(target, round->mirror->source.uuid);
        if (r < 0 && buf_appendf(&path, "/var/lib/bootsync/%s.base", target->uuid) == 0) {
                report_state(round->mirror->report, REPORT_FILES, target->letter,
                             MESSAGE_STATE_FAILED,
                             (struct message_args){ .path = buf_string(&path), .error = -r });
        }
}

void round_retry_failed(struct mirror *mirror) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                if (mirror->targets[i].state == TARGET_FAILED)
                        mirror->targets[i].retry = waiter_now();
}
