/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside of the daemon: daemon.c lives through events, daemon-round.c decides when to look, and
 * looks, daemon-tell.c says how it goes.
 */
#pragma once

#include "daemon.h"
#include "mirror.h"
#include "os/mounts.h"
#include "os/watch.h"
#include "round.h"
#include "settle.h"

#include <systemd/sd-event.h>

struct daemon {
        struct report *report;
        const struct daemon_options *options;
        struct mirror mirror;
        struct settle settle;
        struct round *round;
        struct watch *watch;
        struct mounts_monitor *monitor;
        sd_event *event;
        sd_event_source *settle_timer, *retry_timer, *rescan_timer;
        unsigned flags;                           /* of the next round */
        struct pathset everything[ROLES_MEMBERS]; /* agrees to any removal */
        bool rewatch;    /* events were lost: directories may have no watch */
        bool watch_gaps; /* some directory could not be watched */
        bool again;      /* a target came while a round was active */
        bool stopping;
        unsigned stop_rounds; /* rounds since SIGTERM */
        bool busy;            /* the watchdog is armed */
        uint64_t status_sent;
        uint64_t steps; /* told so far */
};

extern const struct round_hooks daemon_round_hooks;

/* Sends the status line. */
void daemon_send_status(struct daemon *d);

/* The watchdog counts only while there is work, and is fed by its progress. */
void daemon_set_busy(struct daemon *d, bool busy);

/* Hooks of the round. */
void daemon_on_progress(const struct round_progress *progress, void *userdata);
void daemon_on_step(char letter, const struct channel_message *step, void *userdata);

/* Finds out what is in scope, and watches it. 0 or < 0. */
_must_check_ int daemon_watch_scope(struct daemon *d);

/* The watches are gone with the mount that they were on: sets new ones, and trusts nothing that was
 * known. MIRROR_CHANGED or < 0. */
_must_check_ int daemon_watch_anew(struct daemon *d);

/* Reads all events that are queued. 0 or < 0. */
_must_check_ int daemon_drain_watch(struct daemon *d);

/* Timers; they follow the settings and what has changed. 0 or < 0. */
_must_check_ int daemon_make_timers(struct daemon *d);
_must_check_ int daemon_arm_settle(struct daemon *d);
_must_check_ int daemon_arm_rescan(struct daemon *d);

/* Begins a round now, with all that has changed. 0, or < 0. */
_must_check_ int daemon_begin_round(struct daemon *d);

/* After SIGTERM: one more round if something is pending, else the end. */
_must_check_ int daemon_stop_if_through(struct daemon *d);

/* ROOT is not what it was: no more writing, and the end. */
_must_check_ int daemon_lose_source(struct daemon *d);
