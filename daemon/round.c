/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's half of a round. Workers do what may block; here is only bookkeeping, so that the
 * daemon hears signals and events at any time.
 */
#include "round-internal.h"

#include "core/guard.h"
#include "waiter.h"

#include <errno.h>

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

                target->scanned = false;
                if (target->state == TARGET_WORKING)
                        mirror_set_state(target, TARGET_PENDING);
                if (round_kill_worker(round) < 0)
                        round_forget_worker(round);
        }
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
                        target->retry = 0; /* its mount, or a reload, says when */
                        mirror_set_state(target, TARGET_HELD);
                        continue;
                }
                r = round_start_worker(round, target);
                if (r == 0)
                        return 0;
                round_forget_worker(round);
                report_fault(round->mirror->report, "A worker cannot be started", r);
                round_set_failed(round, target, TARGET_FAILED);
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

int round_worker_ended(struct round *round) {
        struct target *target = mirror_target(round->mirror, round->progress.letter);

        if (round->finished)
                round_take_result(round, target);
        else
                round_set_failed(round, target, TARGET_FAILED);
        round_store_baseline(round, target);
        return next_target(round);
}

int round_worker_hung(struct round *round) {
        struct target *target = mirror_target(round->mirror, round->progress.letter);

        report_state(round->mirror->report, target->letter, target->letter, MESSAGE_TARGET_HUNG,
                     (struct message_args){ 0 });
        round_set_failed(round, target, TARGET_HUNG);
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
        /* What was gone by now has its event in the queue: who saw it go must be known. */
        (void) round->hooks->is_dirty("", round->userdata);
        r = mark_targets(round, paths);
        if (r < 0)
                return r;
        if (held) {
                round->mirror->source_retry =
                        waiter_now() + round_retry_delay(round, ++round->mirror->source_failures);
                return ROUND_HELD;
        }
        if (!round->mirror->source.complete) {
                round->mirror->source_retry =
                        waiter_now() + round_retry_delay(round, ++round->mirror->source_failures);
        } else {
                round->mirror->source_failures = 0;
                round->mirror->source_retry = 0;
        }

        round->active = true;
        report_begin(round->mirror->report, REPORT_FILES);
        round->progress = (struct round_progress){ 0 };
        return next_target(round);
}
