/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of the daemon. Events of five kinds come in (inotify, the mount table, signals, timers,
 * workers), and each comes down to one of two things: something is to be looked at, or it is time
 * to look (daemon-round.c).
 *
 * While nothing happens nothing runs: there is no timer but the rescan, and no descriptor is open
 * on any ESP.
 */
#include "daemon.h"

#include "daemon-internal.h"
#include "settings.h"
#include "waiter.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* ---- Events ---- */

static int on_inotify(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_,
                      void *userdata) {
        struct daemon *d = userdata;
        int r;

        r = daemon_drain_watch(d);
        return r < 0 ? r : daemon_arm_settle(d);
}

static int on_mounts(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_,
                     void *userdata) {
        struct daemon *d = userdata;
        char working = round_working_on(d->round);
        int r;

        r = mounts_monitor_drain(d->monitor);
        if (r >= 0)
                r = mirror_update(&d->mirror);
        if (r == MIRROR_LOST)
                return daemon_lose_source(d);
        if (r == MIRROR_REMOUNTED)
                r = daemon_watch_anew(d);
        if (r <= 0)
                return r;
        daemon_send_status(d);
        if (d->mirror.role_problems.n > 0 && round_is_active(d->round))
                round_abort(d->round);
        if (working && mirror_target(&d->mirror, working)->state != TARGET_WORKING)
                round_abort(d->round);
        d->again = round_is_active(d->round);
        return d->again ? 0 : daemon_begin_round(d);
}

static int stop(sd_event_source *s _unused_, const struct signalfd_siginfo *si _unused_,
                void *userdata) {
        struct daemon *d = userdata;
        int r;

        if (d->stopping)
                return 0;
        d->stopping = true;
        sd_notify(0, "STOPPING=1");
        report_message(d->report, MESSAGE_STOPPING, 0, (struct message_args){ 0 });
        round_hurry(d->round);
        r = daemon_drain_watch(d);
        return r < 0 ? r : daemon_stop_if_through(d);
}

/* Whoever waits for a verb at a terminal wants the prompt back; a commit can be cut at any point. */
static int interrupt(sd_event_source *s _unused_, const struct signalfd_siginfo *si _unused_,
                     void *userdata) {
        struct daemon *d = userdata;

        round_abort(d->round);
        return sd_event_exit(d->event, EXIT_HELD);
}

static void send_reloading(void) {
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, waiter_now());
}

static int reload(sd_event_source *s _unused_, const struct signalfd_siginfo *si _unused_,
                  void *userdata) {
        struct daemon *d = userdata;
        _cleanup_config_ struct config config = { 0 };
        bool restart;
        int r;

        send_reloading();
        r = settings_load(d->report, d->options->config_file, &config);
        if (r < 0)
                return r;
        if (r == 0) {
                mirror_reconfigure(&d->mirror, &config, &restart);
                report_set_level(d->report, (int) d->mirror.config.level);
                report_message(d->report, MESSAGE_RELOADED, 0, (struct message_args){ 0 });
                if (restart)
                        report_message(d->report, MESSAGE_CONFIG_ROOT_CHANGED, 0,
                                       (struct message_args){ 0 });
        } else {
                report_message(d->report, MESSAGE_CONFIG_KEPT, 0, (struct message_args){ 0 });
        }

        r = daemon_arm_rescan(d);
        if (r < 0)
                return r;
        d->flags |= ROUND_ALL;
        d->again = round_is_active(d->round);
        r = d->again ? 0 : daemon_begin_round(d);
        sd_notify(0, "READY=1");
        return r;
}

/* ---- Birth ---- */

/* A handler that fails must end the daemon: by itself the loop would only turn a deaf ear to its
 * source. The loop keeps the source. */
static int settle_source(sd_event_source *s) {
        int r;

        r = sd_event_source_set_exit_on_failure(s, true);
        if (r >= 0)
                r = sd_event_source_set_floating(s, true);
        sd_event_source_unref(s);
        return r < 0 ? r : 0;
}

static int add_signal(struct daemon *d, int signal, sd_event_signal_handler_t handler) {
        sd_event_source *s = NULL;
        int r;

        r = sd_event_add_signal(d->event, &s, signal, handler, d);
        return r < 0 ? r : settle_source(s);
}

static int add_descriptor(struct daemon *d, int fd, sd_event_io_handler_t handler) {
        sd_event_source *s = NULL;
        int r;

        r = sd_event_add_io(d->event, &s, fd, EPOLLIN, handler, d);
        return r < 0 ? r : settle_source(s);
}

static int add_signals(struct daemon *d) {
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGCHLD);
        if (d->options->mode == DAEMON_SERVE)
                sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        /* A lease that is asked for and given back at once may still be called in: no matter. */
        signal(SIGIO, SIG_IGN);

        r = add_signal(d, SIGTERM, stop);
        if (r >= 0)
                r = add_signal(d, SIGINT, d->options->mode == DAEMON_SERVE ? stop : interrupt);
        if (r >= 0 && d->options->mode == DAEMON_SERVE)
                r = add_signal(d, SIGHUP, reload);
        return r;
}

static int add_descriptors(struct daemon *d) {
        int r;

        r = watch_new(&d->watch);
        if (r >= 0)
                r = add_descriptor(d, watch_fd(d->watch), on_inotify);
        if (r >= 0)
                r = mounts_monitor_new(&d->monitor);
        if (r >= 0)
                r = add_descriptor(d, mounts_monitor_fd(d->monitor), on_mounts);
        return r;
}

static void daemon_done(struct daemon *d) {
        d->round = round_free(d->round);
        d->watch = watch_free(d->watch);
        d->monitor = mounts_monitor_free(d->monitor);
        sd_event_source_disable_unref(d->settle_timer);
        sd_event_source_disable_unref(d->retry_timer);
        sd_event_source_disable_unref(d->rescan_timer);
        sd_event_unref(d->event);
        settle_done(&d->settle);
        mirror_done(&d->mirror);
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                pathset_done(&d->everything[i]);
}

static void report_started(struct daemon *d) {
        char letters[2 * ROLES_MEMBERS + 1] = "";
        size_t n = 0;

        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                char letter = d->mirror.targets[i].letter;

                if (!mirror_is_target(&d->mirror, letter))
                        continue;
                letters[n++] = letter;
                letters[n++] = ' ';
        }
        letters[n > 0 ? n - 1 : 0] = '\0';
        if (d->options->mode == DAEMON_SERVE)
                report_message(d->report, MESSAGE_STARTED, d->mirror.roles.active,
                               (struct message_args){ .other = n > 0 ? letters : "none" });
}

/* What must be there before any round: who is who. EXIT_DONE, EXIT_HELD or < 0. */
static int find_roles(struct daemon *d) {
        int r;

        r = mirror_update(&d->mirror);
        if (r < 0)
                return r;
        if (d->mirror.source.root)
                return EXIT_DONE;
        for (size_t i = 0; i < d->mirror.role_problems.n; i++)
                report_finding(d->report, REPORT_SOURCE, 0, &d->mirror.role_problems.items[i]);
        return EXIT_HELD;
}

static int start(struct daemon *d) {
        int r;

        r = sd_event_new(&d->event);
        if (r >= 0)
                r = add_signals(d);
        if (r >= 0)
                r = add_descriptors(d);
        if (r >= 0)
                r = daemon_make_timers(d);
        if (r >= 0)
                r = round_new(d->event, &d->mirror, &daemon_round_hooks, d, &d->round);
        if (r >= 0)
                r = find_roles(d);
        return r;
}

/* A list of what pruning would do takes every removal for agreed; the pruning itself knows the list. */
static int agree(struct daemon *d) {
        int r = 0;

        if (!d->options->removals)
                return 0;
        d->mirror.vouched = d->options->removals;
        if (d->options->mode != DAEMON_DIFF)
                return 0;
        d->mirror.vouched = d->everything;
        for (size_t i = 0; i < ROLES_MEMBERS && r == 0; i++)
                r = pathset_add(&d->everything[i], "");
        return r;
}

/* The watches are set by the first look at the scope, in daemon_begin_round(); to be ready is to
 * have them. */
static int run(struct daemon *d) {
        int r;

        report_started(d);
        r = agree(d);
        if (r == 0)
                r = daemon_watch_scope(d);
        if (r < 0)
                return r;
        if (d->options->mode == DAEMON_SERVE) {
                sd_notify(0, "READY=1");
                daemon_send_status(d);
                r = daemon_arm_rescan(d);
        }
        d->flags |= ROUND_ALL;
        if (r >= 0)
                r = daemon_begin_round(d);
        return r < 0 ? r : sd_event_loop(d->event);
}

int daemon_run(struct report *report, struct config *config, const struct daemon_options *options,
               uint64_t *ret_steps) {
        _cleanup_(daemon_done) struct daemon d = { .report = report, .options = options };
        int r;

        mirror_init(&d.mirror, report, config);
        r = start(&d);
        if (r == EXIT_DONE)
                r = run(&d);
        if (options->mode == DAEMON_SERVE)
                sd_notify(0, "STOPPING=1");
        if (ret_steps)
                *ret_steps = d.steps;
        if (r >= 0)
                return r;
        report_fault(report, "bootsyncd cannot go on", r);
        return EXIT_HELD;
}
