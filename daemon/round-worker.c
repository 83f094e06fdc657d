/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Company for a worker: what it says is taken, and how long it says nothing is counted.
 *
 * A worker that says nothing for PATIENCE_TICKS ticks is given up: it gets SIGKILL, which takes
 * effect when its disk answers again, and its target is left alone until then.
 */
#include "round-internal.h"

#include "base/timespan.h"
#include "waiter.h"
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define TICK_USEC (5 * USEC_PER_SEC)
#define PATIENCE_TICKS 12
#define PATIENCE_TICKS_HURRIED 3

void round_forget_worker(struct round *round) {
        round->channel_source = sd_event_source_disable_unref(round->channel_source);
        round->child_source = sd_event_source_disable_unref(round->child_source);
        round->tick_source = sd_event_source_disable_unref(round->tick_source);
        if (round->channel >= 0)
                close(round->channel);
        round->channel = -1;
        round->pid = 0;
        round->buffer = (free(round->buffer), NULL);
}

static void report_death(struct round *round, struct target *target, const siginfo_t *si) {
        _cleanup_buf_ struct buf text = BUF_INIT;
        int r;

        if (si->si_code == CLD_EXITED)
                r = buf_appendf(&text, "status %d", si->si_status);
        else
                r = buf_appendf(&text, "%s", strsignal(si->si_status));
        if (r == 0)
                report_state(round->mirror->report, target->letter, target->letter,
                             MESSAGE_WORKER_DIED,
                             (struct message_args){ .other = buf_string(&text) });
}

/* ---- Messages ---- */

static int take_finding(struct round *round, struct target *target,
                        const struct channel_message *message) {
        const struct finding finding = { .kind = (enum finding_kind) message->kind,
                                         .path = (char *) message->path,
                                         .other = (char *) message->other,
                                         .number = message->number,
                                         .error = message->error };
        bool of_source = finding_is_of_source(finding.kind);

        /* These two are no states that last: each is said each time. */
        if (finding.kind == FINDING_DRIFT || finding.kind == FINDING_CHANGED) {
                report_message(round->mirror->report, (int) finding.kind, target->letter,
                               (struct message_args){ .path = finding.path });
                return 0;
        }
        report_finding(round->mirror->report, of_source ? REPORT_FILES : target->letter,
                       target->letter, &finding);
        return 0;
}

/* A record of a file that changed meanwhile proves nothing. */
static int take_record(struct round *round, struct target *target,
                       const struct channel_message *message) {
        struct record record;

        channel_to_record(message, &record);
        record.suspect = round->hooks->is_dirty(message->other, round->userdata);
        return target_note(target, &record);
}

static int answer_publish(struct round *round, const struct channel_message *message) {
        bool dirty = round->hooks->is_dirty(message->path, round->userdata);

        return channel_answer(round->channel, dirty ? 1 : 0);
}

static int take_message(struct round *round, const struct channel_message *message) {
        struct target *target = mirror_target(round->mirror, round->progress.letter);

        round->ticks = 0;
        switch (message->type) {
        case CHANNEL_PLAN:
                round->progress.done = 0;
                round->progress.total = message->number;
                return 0;
        case CHANNEL_PROGRESS:
                round->progress.done += message->number;
                round->hooks->progress(&round->progress, round->userdata);
                return 0;
        case CHANNEL_FINDING:
                return take_finding(round, target, message);
        case CHANNEL_STEP:
                round->hooks->step(target->letter, message, round->userdata);
                return 0;
        case CHANNEL_ITEMS_RESET:
                manifest_done(&target->manifest);
                return 0;
        case CHANNEL_ITEM:
                return channel_to_item(message, &target->manifest);
        case CHANNEL_ITEM_DROP:
                manifest_drop(&target->manifest, message->path);
                return 0;
        case CHANNEL_RECORD:
                return take_record(round, target, message);
        case CHANNEL_RECORD_DROP:
                return target_note_gone(target, message->path);
        case CHANNEL_LATER:
                round->skipped = true;
                return round->hooks->later(message->path, round->userdata);
        case CHANNEL_UNFLUSHED:
                return pathset_add(&target->unflushed, message->path);
        case CHANNEL_MAY_PUBLISH:
                return answer_publish(round, message);
        case CHANNEL_DONE:
                round->finished = true;
                round->result = *message;
                return 0;
        }
        return -EBADMSG;
}

/* All that is there to read. CHANNEL_END, CHANNEL_EMPTY or < 0. */
static int read_messages(struct round *round) {
        for (;;) {
                struct channel_message message;
                int r;

                r = channel_receive(round->channel, round->buffer, &message);
                if (r == 0)
                        r = take_message(round, &message);
                if (r != 0)
                        return r;
        }
}

/* ---- Events ---- */

static int on_channel(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_,
                      void *userdata) {
        struct round *round = userdata;
        int r;

        r = read_messages(round);
        if (r == CHANNEL_END)
                return sd_event_source_set_enabled(round->channel_source, SD_EVENT_OFF);
        if (r < 0 && r != -EPIPE) {
                report_fault(round->mirror->report, "What a worker says cannot be taken", r);
                kill(round->pid, SIGKILL);
                return sd_event_source_set_enabled(round->channel_source, SD_EVENT_OFF);
        }
        return 0;
}

static int on_child(sd_event_source *s _unused_, const siginfo_t *si, void *userdata) {
        struct round *round = userdata;
        struct target *target = mirror_target(round->mirror, round->progress.letter);
        int r;

        r = read_messages(round);
        if (r < 0)
                report_fault(round->mirror->report, "What a worker says cannot be taken", r);
        if (!round->finished)
                report_death(round, target, si);
        round_forget_worker(round);
        return round_worker_ended(round);
}

/* It answers again: it is tried as soon as possible. Where no round is under way, done() sees to the
 * timers. One that was unmounted meanwhile waits for its mount. */
static int on_hung_child(sd_event_source *s, const siginfo_t *si _unused_, void *userdata) {
        struct round *round = userdata;

        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                struct target *target = &round->mirror->targets[i];

                if (round->hung[i] != s)
                        continue;
                round->hung[i] = sd_event_source_disable_unref(round->hung[i]);
                if (target->state == TARGET_HUNG)
                        mirror_set_state(target, TARGET_FAILED);
                if (target->state == TARGET_FAILED || target->state == TARGET_PENDING)
                        target->retry = waiter_now();
                if (round->active)
                        round->hooks->progress(&round->progress, round->userdata);
                else
                        return round->hooks->done(round->userdata);
        }
        return 0;
}

int round_kill_worker(struct round *round) {
        size_t member = (size_t) (round->progress.letter - 'a');
        int r;

        kill(round->pid, SIGKILL);
        round->child_source = sd_event_source_disable_unref(round->child_source);
        r = sd_event_add_child(round->event, &round->hung[member], round->pid, WEXITED,
                               on_hung_child, round);
        round_forget_worker(round);
        return r < 0 ? r : 0;
}

static int give_up(struct round *round) {
        int r;

        r = round_kill_worker(round);
        return r < 0 ? r : round_worker_hung(round);
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        struct round *round = userdata;
        int r;

        round->ticks++;
        if (round->ticks >= (round->hurry ? PATIENCE_TICKS_HURRIED : PATIENCE_TICKS))
                return give_up(round);
        round->hooks->progress(&round->progress, round->userdata);
        r = sd_event_source_set_time(s, usec + TICK_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* ---- Start ---- */

static int supervise(struct round *round) {
        int r;

        r = sd_event_add_io(round->event, &round->channel_source, round->channel, EPOLLIN,
                            on_channel, round);
        if (r >= 0)
                r = sd_event_add_child(round->event, &round->child_source, round->pid, WEXITED,
                                       on_child, round);
        if (r >= 0)
                r = sd_event_add_time_relative(round->event, &round->tick_source, CLOCK_MONOTONIC,
                                               TICK_USEC, 0, on_tick, round);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(round->channel_source, true);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(round->child_source, true);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(round->tick_source, true);
        return r < 0 ? r : 0;
}

/* Where nothing was agreed to, nothing is pruned, and guard 9 holds. */
static const struct pathset *find_vouched(const struct round *round, const struct target *target) {
        const struct pathset *all = round->mirror->vouched;
        size_t member = (size_t) (target->letter - 'a');

        return all && all[member].paths.n > 0 ? &all[member] : NULL;
}

int round_start_worker(struct round *round, struct target *target) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        struct worker_job job = {
                .config = &round->mirror->config,
                .source = &round->mirror->source,
                .target = target,
                .dry = (round->flags & ROUND_DRY) != 0,
                .tell_steps = (round->flags & ROUND_TELL) != 0,
                .vouched = find_vouched(round, target),
        };
        int r;

        r = buf_appendf(&path, "%s@%c", round->mirror->config.root, target->letter);
        if (r < 0)
                return r;
        job.target_path = buf_string(&path);
        round->buffer = malloc(CHANNEL_SIZE_MAX);
        if (!round->buffer)
                return -ENOMEM;

        report_begin(round->mirror->report, target->letter);
        round->finished = round->skipped = false;
        round->ticks = 0;
        round->progress = (struct round_progress){ .letter = target->letter };
        round->started = waiter_now();
        r = worker_start(&job, &round->pid, &round->channel);
        if (r < 0)
                return r;
        r = supervise(round);
        if (r < 0)
                return r;
        mirror_set_state(target, TARGET_WORKING);
        round->hooks->progress(&round->progress, round->userdata);
        return 0;
}
