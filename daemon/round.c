/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's half of a round. Workers do what may block; here is only bookkeeping, so that the
 * daemon hears signals and events at any time.
 */
#include "round-internal.h"

#include "base/timespan.h"
#include "core/guard.h"
#include "core/plan.h"
#include "waiter.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define RETRY_MIN (10 * USEC_PER_SEC)
#define RETRY_DOUBLINGS_MAX 10

int round_new(sd_event *event, struct mirror *mirror, const struct round_hooks *hooks,
              void *userdata, struct round **ret_round) {
        struct round *round = calloc(1, sizeof(*round));

        if (!round)
                return -ENOMEM;
        round->event = sd_event_ref(event);
        round->mirror = mirror;
        round->hooks = hooks;
        round->userdata = userdata;
        round->channel = -1;
        *ret_round = round;
        return 0;
}

void round_abort(struct round *round) {
        if (round->pid > 0) {
                struct target *target = mirror_target(round->mirror, round->progress.letter);

                kill(round->pid, SIGKILL);
                target->scanned = false;
                mirror_set_state(target, TARGET_PENDING);
        }
        round_forget_worker(round);
        round->active = false;
        round->progress = (struct round_progress){ 0 };
}

struct round *round_free(struct round *round) {
        if (!round)
                return NULL;
        round_abort(round);
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                sd_event_source_disable_unref(round->hung[i]);
        sd_event_unref(round->event);
        free(round);
        return NULL;
}

bool round_is_active(const struct round *round) {
        return round->active;
}

char round_working_on(const struct round *round) {
        return round->active && round->pid > 0 ? round->progress.letter : 0;
}

void round_hurry(struct round *round) {
        round->hurry = true;
}

/* ---- The end of a target ---- */

static uint64_t retry_delay(const struct round *round, unsigned failures) {
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

static void set_failed(struct round *round, struct target *target, enum target_state state) {
        target->failures++;
        target->retry = waiter_now() + retry_delay(round, target->failures);
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
        bool in_sync = report_problems(report, target->letter) == 0 && !round->skipped;
        bool was_in_sync = target->settled == TARGET_IN_SYNC;
        bool wrote = round->result.put + round->result.removed > 0;

        target->failures = in_sync ? 0 : target->failures;
        target->retry = 0;
        target->scanned = true;
        pathset_done(&target->dirty);
        if (wrote)
                target->settled = TARGET_UNKNOWN; /* in sync, but since now */
        if (!in_sync && !round->skipped)
                target->retry = waiter_now() + retry_delay(round, ++target->failures);
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

static void take_result(struct round *round, struct target *target) {
        struct report *report = round->mirror->report;

        switch ((enum worker_outcome) round->result.kind) {
        case WORKER_DONE:
                report_end(report, target->letter);
                round->planned = true;
                set_done(round, target);
                return;
        case WORKER_HELD:
                report_end(report, target->letter);
                set_failed(round, target, TARGET_HELD);
                return;
        case WORKER_FAILED:
                set_failed(round, target, TARGET_FAILED);
                return;
        case WORKER_STOPPED:
                target->scanned = false;
                mirror_set_state(target, TARGET_PENDING);
                return;
        }
}

static void store_baseline(struct round *round, struct target *target) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        int r;

        if (round->flags & ROUND_DRY)
                return;
        r = target_store(target, round->mirror->source.uuid);
        if (r < 0 && buf_appendf(&path, "/var/lib/bootsync/%s.base", target->uuid) == 0) {
                const struct finding finding = { .kind = (enum finding_kind) MESSAGE_STATE_FAILED,
                                                 .path = path.data,
                                                 .other = (char *) "",
                                                 .error = -r };

                report_finding(round->mirror->report, REPORT_FILES, target->letter, &finding);
        }
}

/* ---- The run ---- */

static bool is_due(const struct round *round, const struct target *target) {
        return mirror_is_target(round->mirror, target->letter) && target->state == TARGET_PENDING &&
               !round->hung[target->letter - 'a'];
}

static int finish(struct round *round) {
        round->active = false;
        round->progress = (struct round_progress){ 0 };
        if (round->planned)
                report_end(round->mirror->report, REPORT_FILES);
        return round->hooks->done(round->userdata);
}

static int next_target(struct round *round) {
        char after = round->progress.letter;
        int r;

        for (size_t i = after ? (size_t) (after - 'a') + 1 : 0; i < ROLES_MEMBERS; i++) {
                struct target *target = &round->mirror->targets[i];
                _cleanup_findings_ struct findings findings = FINDINGS_INIT;

                if (!is_due(round, target))
                        continue;
                r = guard_target(&round->mirror->roles, target->letter,
                                 &round->mirror->config.file_systems, &findings);
                if (r < 0)
                        return r;
                if (findings.n > 0) {
                        report_begin(round->mirror->report, target->letter);
                        report_finding(round->mirror->report, target->letter, target->letter,
                                       &findings.items[0]);
                        report_end(round->mirror->report, target->letter);
                        mirror_set_state(target, TARGET_HELD);
                        continue;
                }
                r = round_start_worker(round, target);
                if (r == 0)
                        return 0;
                round_forget_worker(round);
                report_fault(round->mirror->report, "A worker cannot be started", r);
                set_failed(round, target, TARGET_FAILED);
        }
        return finish(round);
}

/* What changed on the source is looked at on every target, too. */
static int mark_targets(struct round *round, const struct pathset *paths) {
        uint64_t now = waiter_now();
        int r = 0;

        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                struct target *target = &round->mirror->targets[i];
                bool all = (round->flags & ROUND_ALL) != 0 || !target->scanned;

                if (target->state == TARGET_MISSING || target->state == TARGET_UNKNOWN ||
                    target->state == TARGET_HUNG)
                        continue;
                if (all) {
                        target->scanned = false;
                        baseline_distrust_racy(&target->baseline);
                        pathset_done(&target->dirty);
                }
                for (size_t k = 0; k < paths->paths.n && !all && r == 0; k++)
                        r = pathset_add(&target->dirty, paths->paths.items[k]);
                if (all || paths->paths.n > 0 || (target->retry && target->retry <= now))
                        mirror_set_state(target, TARGET_PENDING);
        }
        return r;
}

static int identify(struct round *round, struct findings *findings) {
        bool changed = false;
        int r;

        r = source_identify(&round->mirror->source, &round->mirror->config, &changed, findings);
        if (r == 0 && changed)
                round->flags |= ROUND_ALL;
        return r;
}

static int look_at_source(struct round *round, const struct pathset *paths,
                          struct findings *findings) {
        struct mirror *mirror = round->mirror;
        int r = 0;

        for (size_t i = 0; i < mirror->role_problems.n && r == 0; i++)
                r = findings_add(findings, mirror->role_problems.items[i].kind,
                                 mirror->role_problems.items[i].path,
                                 mirror->role_problems.items[i].other, 0, 0);
        if (r == 0 && findings->n == 0)
                r = identify(round, findings);
        if (r < 0 || findings->n > 0) {
                mirror->source.scanned = false; /* what changed was not looked at */
                return r;
        }
        r = source_refresh(&mirror->source, (round->flags & ROUND_ALL) != 0, &paths->paths,
                           findings);
        if (r == SOURCE_LOST) {
                r = findings_add(findings, FINDING_SOURCE_LOST, NULL, NULL, 0, 0);
                return r < 0 ? r : ROUND_LOST;
        }
        return r;
}

static bool has_finding(const struct findings *findings, enum finding_kind kind) {
        for (size_t i = 0; i < findings->n; i++)
                if (findings->items[i].kind == kind)
                        return true;
        return false;
}

/* Guards 1 to 6 stop everything; 7 and what is odd about single files does not. What is missing
 * from a source that cannot be read is not the news: that it cannot be read is. */
static bool report_source(struct round *round, const struct findings *findings) {
        bool unreadable = has_finding(findings, FINDING_SOURCE_UNREADABLE);
        bool held = false;

        report_begin(round->mirror->report, REPORT_SOURCE);
        for (size_t i = 0; i < findings->n; i++) {
                enum finding_kind kind = findings->items[i].kind;

                if (!(unreadable && finding_guard(kind) >= 3 && finding_guard(kind) <= 6))
                        report_finding(round->mirror->report, REPORT_SOURCE, 0,
                                       &findings->items[i]);
                held |= (finding_guard(kind) >= 1 && finding_guard(kind) <= 6) ||
                        kind == FINDING_SOURCE_LOST;
        }
        report_end(round->mirror->report, REPORT_SOURCE);
        return held;
}

void round_retry_failed(struct mirror *mirror) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                if (mirror->targets[i].state == TARGET_FAILED)
                        mirror->targets[i].retry = waiter_now();
}

int round_worker_ended(struct round *round) {
        struct target *target = mirror_target(round->mirror, round->progress.letter);

        if (round->finished)
                take_result(round, target);
        else
                set_failed(round, target, TARGET_FAILED);
        store_baseline(round, target);
        return next_target(round);
}

int round_worker_hung(struct round *round) {
        struct target *target = mirror_target(round->mirror, round->progress.letter);

        report_message(round->mirror->report, MESSAGE_TARGET_HUNG, target->letter,
                       (struct message_args){ 0 });
        set_failed(round, target, TARGET_HUNG);
        target->retry = 0; /* the end of the worker says when */
        return next_target(round);
}

int round_start(struct round *round, unsigned flags, const struct pathset *paths) {
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
        int r;
        bool held;

        round->flags = flags;
        round->planned = false;
        r = look_at_source(round, paths, &findings);
        if (r < 0)
                return r;
        held = report_source(round, &findings);
        if (r == ROUND_LOST)
                return r;
        r = mark_targets(round, paths);
        if (r < 0)
                return r;
        if (held) {
                round->mirror->source_retry =
                        waiter_now() + retry_delay(round, ++round->mirror->source_failures);
                return ROUND_HELD;
        }
        round->mirror->source_failures = 0;
        round->mirror->source_retry = 0;

        round->active = true;
        report_begin(round->mirror->report, REPORT_FILES);
        round->progress = (struct round_progress){ 0 };
        return next_target(round);
}
