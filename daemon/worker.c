/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From two open directories to a plan: look at the target, compare what is in doubt, decide, do.
 */
#include "worker-internal.h"

#include "base/relpath.h"
#include "channel.h"
#include "core/guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int worker_tell(struct worker *w, enum finding_kind kind, const char *path, const char *other,
                uint64_t number, int error) {
        return channel_send(w->channel, &(struct channel_message){ .type = CHANNEL_FINDING,
                                                                   .kind = (int) kind,
                                                                   .path = path,
                                                                   .other = other,
                                                                   .number = number,
                                                                   .error = error });
}

static int tell_all(struct worker *w, const struct findings *findings) {
        int r = 0;

        for (size_t i = 0; i < findings->n && r == 0; i++)
                r = worker_tell(w, findings->items[i].kind, findings->items[i].path,
                                findings->items[i].other, findings->items[i].number,
                                findings->items[i].error);
        return r;
}

int worker_on_progress(uint64_t bytes, void *userdata) {
        struct worker *w = userdata;

        return channel_send(w->channel,
                            &(struct channel_message){ .type = CHANNEL_PROGRESS, .number = bytes });
}

/* ---- Looking at the target ---- */

static int on_problem(enum tree_problem problem, const char *path, int error, void *userdata) {
        struct worker *w = userdata;

        switch (problem) {
        case TREE_READ_ERROR:
                w->target_unreadable = true;
                return worker_tell(w, FINDING_TARGET_ERROR, path, "reading", 0, error);
        case TREE_TOO_DEEP:
                w->target_unreadable = true;
                return worker_tell(w, FINDING_TOO_MUCH, path, NULL, 0, 0);
        case TREE_SPECIAL:
                return worker_tell(w, FINDING_SPECIAL, path, NULL, 0, 0);
        case TREE_OTHER_MOUNT:
                return worker_tell(w, FINDING_OTHER_MOUNT, path, NULL, 0, 0);
        case TREE_BAD_NAME:
                return worker_tell(w, FINDING_BAD_NAME, path, NULL, 0, 0);
        }
        return 0;
}

static int send_items(struct worker *w, const char *path) {
        int r;

        r = channel_send(w->channel,
                         &(struct channel_message){ .type = path[0] ? CHANNEL_ITEM_DROP
                                                                    : CHANNEL_ITEMS_RESET,
                                                    .path = path });
        for (size_t i = 0; i < w->manifest->n && r == 0; i++)
                if (relpath_below(w->manifest->items[i].path, path))
                        r = channel_send_item(w->channel, &w->manifest->items[i]);
        return r;
}

int worker_rescan(struct worker *w, const char *path) {
        int r;

        r = tree_scan(w->target, &w->job->source->scope, path, w->manifest, on_problem, w);
        return r < 0 ? r : send_items(w, path);
}

static int look(struct worker *w) {
        struct target *target = w->job->target;
        int r = 0;

        if (!target->scanned)
                return worker_rescan(w, "");
        for (size_t i = 0; i < target->dirty.paths.n && r == 0; i++)
                r = worker_rescan(w, target->dirty.paths.items[i]);
        return r;
}

/* ---- Comparing ---- */

static int note_equal(struct worker *w, const struct change *change, struct digest digest,
                      bool settled) {
        return channel_send_record(w->channel,
                                   &(struct record){ .key = (char *) change->key,
                                                     .size = change->source->size,
                                                     .source_mtime = change->source->mtime,
                                                     .target_mtime = change->target->mtime,
                                                     .digest = digest,
                                                     .racy = !settled },
                                   change->source->path);
}

/* A file that went meanwhile is no fault of the disk. */
static int source_failed(struct worker *w, const char *path, int error) {
        if (error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENXIO ||
            error == EISDIR)
                return channel_send(w->channel, &(struct channel_message){ .type = CHANNEL_LATER,
                                                                           .path = path });
        w->source_faults = true;
        return worker_tell(w, FINDING_SOURCE_ERROR, path, NULL, 0, error);
}

/* What cannot be read on the source is left alone; what cannot be read on the target is written
 * anew. */
static int compare_one(struct worker *w, struct change *change) {
        bool settled = tree_is_settled(change->source->mtime);
        struct digest digest;
        int r, error = 0;

        r = tree_compare(w->source, change->source->path, w->target, change->target->path,
                         worker_on_progress, w, &digest, &error);
        switch (r) {
        case 0:
                /* what a failed flush left behind may be in memory only: written anew */
                if (pathset_contains(&w->job->target->unflushed, change->target->path)) {
                        diff_settle(change, false);
                        return 0;
                }
                diff_settle(change, true);
                return note_equal(w, change, digest, settled);
        case TREE_DIFFERENT:
        case TREE_TARGET_ERROR:
                diff_settle(change, false);
                return 0;
        case TREE_SOURCE_ERROR:
                return source_failed(w, change->source->path, error);
        default:
                return r < 0 ? r : -ECANCELED;
        }
}

static int compare(struct worker *w, struct diff *diff) {
        uint64_t bytes = 0;
        int r;

        for (size_t i = 0; i < diff->n; i++)
                if (diff->changes[i].kind == CHANGE_COMPARE)
                        bytes += diff->changes[i].source->size;
        if (bytes == 0)
                bytes = 1; /* empty files are compared, too */
        r = channel_send(w->channel,
                         &(struct channel_message){ .type = CHANNEL_PLAN, .number = bytes });
        for (size_t i = 0; i < diff->n && r == 0; i++)
                if (diff->changes[i].kind == CHANGE_COMPARE)
                        r = compare_one(w, &diff->changes[i]);
        return r;
}

/* ---- Deciding and doing ---- */

static struct plan_input make_input(const struct worker *w, const struct diff *diff) {
        const struct source *source = w->job->source;

        return (struct plan_input){
                .scope = &source->scope,
                .source = &source->manifest,
                .target = w->manifest,
                .diff = diff,
                .modules = &source->modules,
                .witness = &source->witness,
                .newest = source->newest,
                .running = source->running,
                .source_complete = source->complete,
                .vouched = w->job->vouched,
                .fat = strcmp(w->space.fstype, "vfat") == 0,
                .free = w->space.free,
                .cluster = w->space.cluster,
        };
}

static bool removes(const struct plan *plan) {
        for (size_t i = 0; i < plan->n; i++)
                if (plan->steps[i].kind == STEP_UNLINK || plan->steps[i].kind == STEP_RMDIR)
                        return true;
        return false;
}

/* A disk that was pulled still lists names, or an empty directory, without an error: but a flush of
 * it fails. Asked before anything is removed because the source does not have it. */
static bool source_answers(struct worker *w, int *ret_error) {
        if (fsync(w->source) == 0 || errno == EINVAL || errno == EROFS || errno == EBADF)
                return true;
        *ret_error = errno;
        return false;
}

/* Nothing is built on what may not be on the disk: the directories of all that a failed flush left
 * behind are flushed first. 0, 1 if that fails (it was told), or < 0. */
static int flush_again(struct worker *w) {
        const struct strlist *paths = &w->job->target->unflushed.paths;
        struct apply_result result;
        int r;

        for (size_t i = 0; i < paths->n && !w->job->dry; i++) {
                r = apply_flush_parent(w->target, paths->items[i], &result);
                if (r < 0)
                        return r;
                if (r > 0) {
                        r = worker_tell(w, FINDING_TARGET_ERROR, paths->items[i], result.where, 0,
                                        result.error);
                        return r < 0 ? r : 1;
                }
        }
        return 0;
}

static int carry_out(struct worker *w, const struct plan *plan) {
        int r, error;

        r = flush_again(w);
        if (r != 0)
                return r < 0 ? r : WORKER_FAILED;
        if (removes(plan) && !source_answers(w, &error)) {
                r = worker_tell(w, FINDING_SOURCE_LOST, NULL, NULL, 0, error);
                return r < 0 ? r : WORKER_HELD;
        }
        r = channel_send(w->channel,
                         &(struct channel_message){
                                 .type = CHANNEL_PLAN,
                                 .number = plan->bytes * (w->job->config->after_copy ? 2 : 1) });
        if (r == 0)
                r = worker_execute(w, plan);
        if (r < 0)
                return r;
        switch ((enum worker_step) r) {
        case WORKER_STEP_DONE:
        case WORKER_STEP_SKIPPED:
                return plan->full ? WORKER_HELD : WORKER_DONE;
        case WORKER_STEP_FAILED:
                return WORKER_FAILED;
        case WORKER_STEP_STOPPED:
                return WORKER_STOPPED;
        }
        return WORKER_FAILED;
}

static int decide_and_do(struct worker *w) {
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
        _cleanup_diff_ struct diff diff = DIFF_INIT;
        _cleanup_plan_ struct plan plan = PLAN_INIT;
        const struct source *source = w->job->source;
        struct plan_input input;
        int r;

        if (!w->job->vouched) {
                r = guard_newer(&source->scope, &source->manifest, w->manifest,
                                &w->job->target->baseline, source->newest, &findings);
                if (r == 0 && findings.n > 0)
                        r = tell_all(w, &findings);
                if (r < 0 || findings.n > 0)
                        return r < 0 ? r : WORKER_HELD;
        }

        r = diff_build(&source->manifest, w->manifest, &w->job->target->baseline, &diff);
        if (r == 0)
                r = compare(w, &diff);
        if (r == 0) {
                input = make_input(w, &diff);
                r = plan_build(&input, &plan, &findings);
        }
        if (r == 0)
                r = tell_all(w, &findings);
        return r < 0 ? r : carry_out(w, &plan);
}

/* ---- Guard 8, on the descriptor itself ---- */

static int open_target(struct worker *w) {
        const struct worker_job *job = w->job;
        dev_t devno;
        int r;

        r = tree_open(job->target_path, &w->target, &devno);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || devno != job->target->devno) {
                r = worker_tell(w, FINDING_TARGET_MISSING, NULL, NULL, 0, 0);
                return r < 0 ? r : WORKER_HELD;
        }
        r = tree_space(w->target, &w->space);
        if (r < 0) {
                r = worker_tell(w, FINDING_TARGET_ERROR, NULL, "statfs", 0, r);
                return r < 0 ? r : WORKER_FAILED;
        }
        if (!strlist_contains(&job->config->file_systems, w->space.fstype)) {
                r = worker_tell(w, FINDING_TARGET_WRONG_FS, NULL, w->space.fstype, 0, 0);
                return r < 0 ? r : WORKER_HELD;
        }
        if (w->space.read_only) {
                r = worker_tell(w, FINDING_TARGET_READ_ONLY, NULL, NULL, 0, 0);
                return r < 0 ? r : WORKER_HELD;
        }
        return 0;
}

static int open_source(struct worker *w) {
        int r;

        r = source_open(w->job->source, &w->source);
        if (r <= 0)
                return r;
        r = worker_tell(w, FINDING_SOURCE_LOST, NULL, NULL, 0, 0);
        return r < 0 ? r : WORKER_HELD;
}

static int work(struct worker *w) {
        int r;

        r = open_source(w);
        if (r == 0)
                r = open_target(w);
        if (r == 0)
                r = look(w);
        if (r != 0)
                return r;
        return w->target_unreadable ? WORKER_FAILED : decide_and_do(w);
}

static int run(const struct worker_job *job, int channel) {
        struct worker w = { .job = job,
                            .channel = channel,
                            .source = -1,
                            .target = -1,
                            .manifest = &job->target->manifest };
        int r;

        r = work(&w);
        if (r < 0) {
                r = worker_tell(&w, FINDING_TARGET_ERROR, NULL, "the round", 0, r);
                if (r < 0)
                        return r;
                r = WORKER_FAILED;
        }
        return channel_send(channel, &(struct channel_message){ .type = CHANNEL_DONE,
                                                                .kind = r,
                                                                .number = w.bytes,
                                                                .flag = w.source_faults,
                                                                .put = w.put,
                                                                .removed = w.removed });
}

/* ---- The process ---- */

/* Only the channel and the standard streams go along: a lock or a watch that a hung worker held
 * would outlive the daemon. */
static void close_others(int channel) {
        if (channel > 3)
                syscall(SYS_close_range, 3U, (unsigned) channel - 1, 0U);
        syscall(SYS_close_range, (unsigned) channel + 1, ~0U, 0U);
}

int worker_start(const struct worker_job *job, pid_t *ret_pid, int *ret_channel) {
        _cleanup_close_ int mine = -1, theirs = -1;
        sigset_t none;
        pid_t pid;
        int r;

        r = channel_pair(&mine, &theirs);
        if (r < 0)
                return r;
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                prctl(PR_SET_NAME, "bootsync-worker");
                close_others(theirs);
                /* The daemon decides what is finished: these are ignored before they are let in. */
                signal(SIGTERM, SIG_IGN);
                signal(SIGINT, SIG_IGN);
                signal(SIGHUP, SIG_IGN);
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                _exit(run(job, theirs) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        *ret_pid = pid;
        *ret_channel = steal_fd(&mine);
        return 0;
}
