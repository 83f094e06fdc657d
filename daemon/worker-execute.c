/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan, done step by step.
 *
 * A fault of the target ends it: the steps that are left may rely on the one that failed. A file
 * that the source cannot give now (it changes, it is open for writing, it cannot be read) is left
 * out, and with it the entries that name it, and every later removal: the next round sees to them.
 */
#include "worker-internal.h"

#include "base/relpath.h"
#include "channel.h"
#include "core/entry.h"

#include <errno.h>
#include <string.h>

/* More steps than this, and one look at everything is cheaper than one at each. */
#define RESCAN_LIMIT 256

struct execution {
        struct worker *worker;
        struct apply *apply;
        struct strlist missed;         /* keys that the source could not give */
        const struct change *unplaced; /* the last entry that was left out */
        struct strlist touched;        /* paths on the target that a step was for */
};

static int may_publish(const char *source_path, void *userdata) {
        struct worker *w = userdata;
        int r, answer = -1;

        r = channel_send(w->channel, &(struct channel_message){ .type = CHANNEL_MAY_PUBLISH,
                                                                .path = source_path });
        if (r == 0)
                r = channel_read_answer(w->channel, &answer);
        return r < 0 ? -1 : answer;
}

static int send_record(struct worker *w, const struct change *change,
                       const struct apply_result *result) {
        return channel_send_record(w->channel,
                                   &(struct record){ .key = (char *) change->key,
                                                     .size = result->source.size,
                                                     .source_mtime = result->source.mtime,
                                                     .target_mtime = result->target.mtime,
                                                     .digest = result->digest,
                                                     .racy = !result->source_settled },
                                   change->source->path);
}

static int miss(struct execution *x, const struct change *change, enum finding_kind kind,
                int error) {
        struct worker *w = x->worker;
        int r;

        w->source_faults |= kind == FINDING_SOURCE_ERROR;
        r = strlist_add(&x->missed, change->key);
        if (r == 0)
                r = worker_tell(w, kind, change->source->path, NULL, 0, error);
        if (r == 0 && kind != FINDING_SOURCE_ERROR)
                r = channel_send(w->channel,
                                 &(struct channel_message){ .type = CHANNEL_LATER,
                                                            .path = change->source->path });
        return r < 0 ? r : WORKER_STEP_SKIPPED;
}

static int fail(struct worker *w, const char *path, int outcome, const struct apply_result *result,
                uint64_t size) {
        int r = 0;

        if (outcome == APPLY_TARGET_ERROR && result->where && strcmp(result->where, "fsync") == 0) {
                r = channel_send(w->channel, &(struct channel_message){ .type = CHANNEL_UNFLUSHED,
                                                                        .path = path });
                if (r < 0)
                        return r;
        }
        switch ((enum apply_outcome) outcome) {
        case APPLY_STOPPED:
                return WORKER_STEP_STOPPED;
        case APPLY_FULL:
                r = worker_tell(w, FINDING_TARGET_FULL, NULL, NULL, size, 0);
                break;
        case APPLY_CORRUPT:
                r = worker_tell(w, FINDING_CORRUPT, path, NULL, 0, 0);
                break;
        case APPLY_TARGET_ERROR:
        case APPLY_SOURCE_CHANGED:
        case APPLY_SOURCE_BUSY:
        case APPLY_SOURCE_ERROR:
                r = worker_tell(w, FINDING_TARGET_ERROR, path, result->where, 0, result->error);
                break;
        }
        return r < 0 ? r : WORKER_STEP_FAILED;
}

static bool names_missed(const struct execution *x, const struct item *entry) {
        for (size_t i = 0; i < entry->refs.n; i++)
                for (size_t k = 0; k < x->missed.n; k++)
                        if (relpath_equal(entry->refs.items[i], x->missed.items[k]))
                                return true;
        return false;
}

/* What was copied is what had been mirrored: so it was the target that differed. Time stamps show
 * that at once only if they are old enough; the content always does. */
static bool was_drift(const struct worker *w, const struct change *change,
                      const struct apply_result *result) {
        const struct record *record = baseline_find(&w->job->target->baseline, change->key);

        if (change->drift)
                return true;
        return record && change->kind != CHANGE_RENAME && record->size == result->source.size &&
               digest_equal(record->digest, result->digest);
}

static int put(struct execution *x, const struct step *step) {
        const struct change *change = step->change;
        struct apply_result result = { 0 };
        struct worker *w = x->worker;
        int r;

        if (step->entry && names_missed(x, change->source)) {
                x->unplaced = change;
                return WORKER_STEP_SKIPPED;
        }
        r = apply_put(x->apply, change->source->path, step->path, &result);
        if (r < 0)
                return r;
        w->bytes += result.bytes;

        if (r == APPLY_SOURCE_CHANGED || r == APPLY_SOURCE_BUSY || r == APPLY_SOURCE_ERROR) {
                x->unplaced = step->entry ? change : x->unplaced;
                return miss(x, change,
                            r == APPLY_SOURCE_CHANGED ? FINDING_CHANGED
                            : r == APPLY_SOURCE_BUSY  ? FINDING_BUSY
                                                      : FINDING_SOURCE_ERROR,
                            result.error);
        }
        if (r != 0)
                return fail(w, step->path, r, &result, change->source->size);

        w->put++;
        if (was_drift(w, change, &result)) {
                r = worker_tell(w, FINDING_DRIFT, step->path, NULL, 0, 0);
                if (r < 0)
                        return r;
        }
        return send_record(w, change, &result);
}

static bool was_left_out(const struct execution *x, const struct step *step) {
        return step->change ? step->change == x->unplaced : x->missed.n > 0;
}

static int drop_record(struct worker *w, const char *path) {
        _cleanup_free_ char *key = entry_identity(path);

        if (!key)
                return -ENOMEM;
        if (manifest_forms(&w->job->source->manifest, key, NULL))
                return 0;
        return channel_send(w->channel,
                            &(struct channel_message){ .type = CHANNEL_RECORD_DROP, .path = key });
}

/* The source may have got it back since it was looked at. */
static int is_back(struct execution *x, const char *path) {
        struct worker *w = x->worker;
        int answer, r;

        answer = may_publish(path, w);
        if (answer <= 0)
                return answer < 0 ? WORKER_STEP_STOPPED : 0;
        r = strlist_add(&x->missed, path);
        if (r == 0)
                r = channel_send(w->channel,
                                 &(struct channel_message){ .type = CHANNEL_LATER, .path = path });
        return r < 0 ? r : WORKER_STEP_SKIPPED;
}

static int remove_one(struct execution *x, const struct step *step) {
        struct apply_result result = { 0 };
        struct worker *w = x->worker;
        int r;

        if (was_left_out(x, step))
                return WORKER_STEP_SKIPPED;
        r = is_back(x, step->path);
        if (r != 0)
                return r;
        r = step->kind == STEP_UNLINK ? apply_unlink(x->apply, step->path, &result)
                                      : apply_rmdir(x->apply, step->path, &result);
        if (r < 0)
                return r;
        if (r > 0)
                return fail(w, step->path, r, &result, 0);
        w->removed++;
        return drop_record(w, step->path);
}

static int make(struct execution *x, const struct step *step) {
        struct apply_result result = { 0 };
        int r;

        r = apply_mkdir(x->apply, step->path, &result);
        return r > 0 ? fail(x->worker, step->path, r, &result, x->worker->space.cluster) : r;
}

static int do_step(struct execution *x, const struct step *step) {
        switch (step->kind) {
        case STEP_PUT:
                return put(x, step);
        case STEP_UNLINK:
        case STEP_RMDIR:
                return remove_one(x, step);
        case STEP_MKDIR:
                return make(x, step);
        }
        return 0;
}

static int tell_step(struct worker *w, const struct step *step) {
        if (!w->job->tell_steps)
                return 0;
        return channel_send(
                w->channel,
                &(struct channel_message){
                        .type = CHANNEL_STEP,
                        .kind = (int) step->kind,
                        .path = step->path,
                        .number = step->kind == STEP_PUT ? step->change->source->size : 0,
                });
}

static int do_steps(struct execution *x, const struct plan *plan) {
        int r = 0, outcome = WORKER_STEP_DONE;

        for (size_t i = 0; i < plan->n; i++) {
                r = tell_step(x->worker, &plan->steps[i]);
                if (r == 0 && !x->worker->job->dry) {
                        r = strlist_add(&x->touched, plan->steps[i].path);
                        if (r == 0)
                                r = do_step(x, &plan->steps[i]);
                }
                if (r < 0 || r == WORKER_STEP_FAILED || r == WORKER_STEP_STOPPED)
                        return r;
                outcome = r > 0 ? r : outcome;
        }
        return outcome;
}

static int look_again(struct execution *x) {
        int r = 0;

        if (x->touched.n > RESCAN_LIMIT)
                return worker_rescan(x->worker, "");
        for (size_t i = 0; i < x->touched.n && r == 0; i++)
                r = worker_rescan(x->worker, x->touched.items[i]);
        return r;
}

static void execution_done(struct execution *x) {
        strlist_done(&x->missed);
        strlist_done(&x->touched);
}

int worker_execute(struct worker *w, const struct plan *plan) {
        const struct apply_hooks hooks = { worker_on_progress, may_publish, w };
        _cleanup_(execution_done) struct execution x = { .worker = w };
        _cleanup_apply_ struct apply apply = { 0 };
        int r, outcome;

        r = apply_init(&apply, w->source, w->target, w->job->config->after_copy, &hooks);
        if (r < 0)
                return r;
        x.apply = &apply;

        outcome = do_steps(&x, plan);
        if (outcome < 0)
                return outcome;
        r = look_again(&x);
        return r < 0 ? r : outcome;
}
