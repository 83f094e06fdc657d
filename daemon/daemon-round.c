/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When to look, and what follows from a look.
 *
 * Events are hints: they say which paths to look at (settle), which must be compared by content
 * whatever their time stamps say (distrust), and which were seen to go (witness). The round finds
 * out the rest by itself.
 */
#include "daemon-internal.h"

#include "base/timespan.h"
#include "os/tree.h"
#include "waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>

#define STOP_ROUNDS_MAX 3

/* ---- What changed ---- */

static int distrust(struct daemon *d, const char *path) {
        int r = 0;

        for (size_t i = 0; i < ROLES_MEMBERS && r == 0; i++)
                r = target_distrust(&d->mirror.targets[i], path);
        return r;
}

static int note_change(struct daemon *d, const char *path) {
        int r;

        r = distrust(d, path);
        return r < 0 ? r : settle_add(&d->settle, path, waiter_now());
}

/* A state: it lasts until the watches are set anew, which every look at everything tries. */
static void note_gap(struct daemon *d, int message, const char *path, int error) {
        d->watch_gaps = true;
        report_state(d->report, REPORT_WATCH, 0, message,
                     (struct message_args){ .path = path, .error = error });
}

static int on_news(enum watch_news news, const char *path, int error, void *userdata) {
        struct daemon *d = userdata;
        int r;

        switch (news) {
        case WATCH_REMOVED:
                r = witness_add(&d->mirror.source.witness, path);
                return r < 0 ? r : note_change(d, path);
        case WATCH_DIRTY:
        case WATCH_WRITING:
                return note_change(d, path);
        case WATCH_OVERFLOW:
                report_message(d->report, MESSAGE_OVERFLOW, 0, (struct message_args){ 0 });
                settle_add_all(&d->settle, waiter_now());
                d->rewatch = true;
                return distrust(d, "");
        case WATCH_UNMOUNTED:
                return 0; /* the mount table tells the same, and more */
        case WATCH_LIMIT:
                note_gap(d, MESSAGE_WATCH_LIMIT, path, 0);
                return 0;
        case WATCH_ERROR:
                note_gap(d, MESSAGE_WATCH_ERROR, path, error);
                return 0;
        }
        return 0;
}

static int open_source(void *userdata) {
        struct daemon *d = userdata;
        int r, fd;

        r = source_open(&d->mirror.source, &fd);
        return r == 0 ? fd : r < 0 ? r : -ENODEV;
}

/* Sets watches on whatever has none. Nothing stays open on the ESP. */
static int start_watch(struct daemon *d) {
        _cleanup_close_ int root = -1;
        int r;

        r = source_open(&d->mirror.source, &root);
        if (r != 0)
                return r < 0 ? r : 0;
        d->watch_gaps = false;
        report_begin(d->report, REPORT_WATCH);
        r = watch_start(d->watch, root, &d->mirror.source.scope, on_news, d);
        report_end(d->report, REPORT_WATCH);
        return r;
}

int daemon_watch_anew(struct daemon *d) {
        int r;

        d->flags |= ROUND_ALL;
        r = distrust(d, "");
        if (r == 0)
                r = start_watch(d);
        return r < 0 ? r : MIRROR_CHANGED;
}

/* After an overflow directories may be there that nobody watches. */
int daemon_drain_watch(struct daemon *d) {
        int r;

        r = watch_drain(d->watch, open_source);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return r;
        if (!d->rewatch)
                return 0;
        d->rewatch = false;
        return start_watch(d);
}

static bool is_dirty(const char *path, void *userdata) {
        struct daemon *d = userdata;

        return daemon_drain_watch(d) < 0 || settle_covers(&d->settle, path);
}

static int later(const char *path, void *userdata) {
        struct daemon *d = userdata;

        return note_change(d, path);
}

/* ---- When to look ---- */

static int set_timer(sd_event_source *timer, uint64_t when) {
        int r;

        if (when == 0)
                return sd_event_source_set_enabled(timer, SD_EVENT_OFF);
        r = sd_event_source_set_time(timer, when);
        return r < 0 ? r : sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int daemon_arm_settle(struct daemon *d) {
        const struct config *config = &d->mirror.config;

        if (round_is_active(d->round))
                return set_timer(d->settle_timer, 0);
        return set_timer(d->settle_timer,
                         settle_due(&d->settle, config->debounce, config->max_delay));
}

int daemon_arm_rescan(struct daemon *d) {
        uint64_t interval = d->mirror.config.rescan_interval;

        return set_timer(d->rescan_timer,
                         interval == TIMESPAN_INFINITY ? 0 : waiter_now() + interval);
}

/* A file that is being written is waited for: its writer's close comes as an event, and the delay
 * has an end. */
static bool is_being_written(struct daemon *d) {
        _cleanup_close_ int root = -1;

        if (d->settle.all || source_open(&d->mirror.source, &root) != 0)
                return false;
        for (size_t i = 0; i < d->settle.paths.paths.n; i++) {
                _cleanup_close_ int fd =
                        tree_openat(root, d->settle.paths.paths.items[i], O_RDONLY, 0);

                if (fd >= 0 && tree_is_open_for_writing(fd))
                        return true;
        }
        return false;
}

static int on_settle(sd_event_source *s, uint64_t usec _unused_, void *userdata) {
        struct daemon *d = userdata;
        uint64_t latest = d->settle.first + d->mirror.config.max_delay;

        if (settle_is_empty(&d->settle) || round_is_active(d->round))
                return 0;
        if (waiter_now() < latest && is_being_written(d))
                return set_timer(s, latest);
        return daemon_begin_round(d);
}

static int on_retry(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        struct daemon *d = userdata;

        return round_is_active(d->round) ? 0 : daemon_begin_round(d);
}

static int on_rescan(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata) {
        struct daemon *d = userdata;
        int r;

        r = daemon_arm_rescan(d);
        if (r < 0)
                return r;
        d->flags |= ROUND_ALL;
        d->again = round_is_active(d->round);
        return d->again ? 0 : daemon_begin_round(d);
}

int daemon_make_timers(struct daemon *d) {
        struct {
                sd_event_source **source;
                sd_event_time_handler_t handler;
        } timers[] = {
                { &d->settle_timer, on_settle },
                { &d->retry_timer, on_retry },
                { &d->rescan_timer, on_rescan },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(timers) && r >= 0; i++) {
                r = sd_event_add_time(d->event, timers[i].source, CLOCK_MONOTONIC, 0, 1,
                                      timers[i].handler, d);
                if (r >= 0)
                        r = sd_event_source_set_exit_on_failure(*timers[i].source, true);
                if (r >= 0)
                        r = sd_event_source_set_enabled(*timers[i].source, SD_EVENT_OFF);
        }
        return r < 0 ? r : 0;
}

/* ---- Rounds ---- */

int daemon_lose_source(struct daemon *d) {
        round_abort(d->round);
        report_message(d->report, MESSAGE_BIND_LOST, 0, (struct message_args){ 0 });
        return sd_event_exit(d->event, EXIT_LOST);
}

static bool all_in_sync(const struct daemon *d) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                if (mirror_is_target(&d->mirror, d->mirror.targets[i].letter) &&
                    d->mirror.targets[i].state != TARGET_IN_SYNC)
                        return false;
        return true;
}

/* Whether a target waits, or failed in a way that one more try may mend. */
static bool is_unfinished(const struct daemon *d) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                const struct target *target = &d->mirror.targets[i];

                if (mirror_is_target(&d->mirror, target->letter) &&
                    (target->state == TARGET_PENDING || target->state == TARGET_FAILED))
                        return true;
        }
        return false;
}

static bool has_hung(const struct daemon *d) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                if (d->mirror.targets[i].state == TARGET_HUNG)
                        return true;
        return false;
}

int daemon_stop_if_through(struct daemon *d) {
        bool unfinished = !settle_is_empty(&d->settle) || is_unfinished(d);

        if (!d->stopping || round_is_active(d->round))
                return 0;
        if (unfinished && d->stop_rounds < STOP_ROUNDS_MAX) {
                d->stop_rounds++;
                round_retry_failed(&d->mirror);
                return daemon_begin_round(d);
        }
        if (unfinished || has_hung(d))
                report_message(d->report, MESSAGE_STOP_PENDING, 0, (struct message_args){ 0 });
        return sd_event_exit(d->event, EXIT_DONE);
}

static int end_single_round(struct daemon *d) {
        bool done = all_in_sync(d) && report_all_problems(d->report) == 0;

        if (d->options->mode == DAEMON_DIFF)
                done = done && d->steps == 0;
        return sd_event_exit(d->event, done ? EXIT_DONE : EXIT_HELD);
}

static int on_done(void *userdata) {
        struct daemon *d = userdata;
        int r;

        daemon_set_busy(d, false);
        report_progress(d->report, NULL);
        daemon_send_status(d);
        if (d->options->mode != DAEMON_SERVE)
                return end_single_round(d);

        /* a removal that a guard froze is done later, if it is still known who saw it */
        if (settle_is_empty(&d->settle) && !d->again && all_in_sync(d) &&
            report_all_problems(d->report) == 0)
                witness_done(&d->mirror.source.witness);
        malloc_trim(0);
        if (d->again && !d->stopping) {
                d->again = false;
                return daemon_begin_round(d);
        }
        r = set_timer(d->retry_timer, round_next_retry(&d->mirror));
        if (r >= 0)
                r = daemon_arm_settle(d);
        return r < 0 ? r : daemon_stop_if_through(d);
}

/* Another machine id or entry token is another scope: other directories matter. */
int daemon_watch_scope(struct daemon *d) {
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
        bool changed = false;
        int r;

        r = source_identify(&d->mirror.source, &d->mirror.config, &changed, &findings);
        if (r == 0 && changed)
                d->flags |= ROUND_ALL;
        /* what could not be watched may be by now */
        if (r < 0 || (!changed && !(d->watch_gaps && (d->flags & ROUND_ALL))))
                return r;
        return start_watch(d);
}

/* Whatever a round is begun for: a diff writes nothing. */
static unsigned mode_flags(const struct daemon_options *options) {
        return options->mode == DAEMON_DIFF ? ROUND_DRY | ROUND_TELL : 0;
}

int daemon_begin_round(struct daemon *d) {
        struct settle settle = d->settle;
        unsigned flags;
        int r;

        d->settle = (struct settle){ 0 };
        r = daemon_watch_scope(d);
        flags = d->flags | mode_flags(d->options) | (settle.all ? ROUND_ALL : 0);
        d->flags = 0;
        daemon_set_busy(d, true);
        if (r == 0)
                r = round_start(d->round, flags, &settle.paths);
        settle_done(&settle);
        if (r == ROUND_LOST)
                return daemon_lose_source(d);
        return r == ROUND_HELD ? on_done(d) : r;
}

const struct round_hooks daemon_round_hooks = {
        .is_dirty = is_dirty,
        .later = later,
        .progress = daemon_on_progress,
        .step = daemon_on_step,
        .done = on_done,
};
