/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon at work tells: the service manager (STATUS=, the watchdog), a terminal, and whoever
 * asked for the list of steps.
 */
#include "daemon-internal.h"

#include "base/timespan.h"
#include "core/plan.h"
#include "status.h"
#include "waiter.h"

#include <inttypes.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define STATUS_INTERVAL (500 * USEC_PER_MSEC)

static void send_status(struct daemon *d, const struct round_progress *progress) {
        _cleanup_buf_ struct buf text = BUF_INIT;

        if (d->options->mode == DAEMON_SERVE && status_format(&text, &d->mirror, progress) == 0)
                report_status(d->report, buf_string(&text));
        d->status_sent = waiter_now();
}

void daemon_send_status(struct daemon *d) {
        send_status(d, &(struct round_progress){ 0 });
}

/* The service manager's watchdog counts only while there is work, and is fed by its progress. */
void daemon_set_busy(struct daemon *d, bool busy) {
        uint64_t usec = 0;

        if (d->busy == busy || sd_watchdog_enabled(0, &usec) <= 0)
                return;
        d->busy = busy;
        sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64 "%s", busy ? usec : 0, busy ? "\nWATCHDOG=1" : "");
}

void daemon_on_progress(const struct round_progress *progress, void *userdata) {
        struct daemon *d = userdata;
        _cleanup_buf_ struct buf text = BUF_INIT;

        if (d->busy)
                sd_notify(0, "WATCHDOG=1");
        if (progress->done > 0 && d->status_sent + STATUS_INTERVAL > waiter_now())
                return;
        send_status(d, progress);
        if (progress->letter && report_on_terminal(d->report) &&
            status_format_progress(&text, &d->mirror, progress) == 0)
                report_progress(d->report, buf_string(&text));
}

static void print_size(uint64_t size) {
        if (size >= 1000000)
                printf(" (%" PRIu64 ".%" PRIu64 " MB)", size / 1000000, size / 100000 % 10);
        else
                printf(" (%" PRIu64 " bytes)", size);
}

void daemon_on_step(char letter, const struct channel_message *step, void *userdata) {
        struct daemon *d = userdata;
        _cleanup_buf_ struct buf path = BUF_INIT;
        static const char *const words[] = {
                [STEP_UNLINK] = "remove",
                [STEP_RMDIR] = "remove directory",
                [STEP_MKDIR] = "make directory",
                [STEP_PUT] = "write",
        };
        bool removal = step->kind == STEP_UNLINK || step->kind == STEP_RMDIR;

        if (d->options->removals && !removal)
                return;
        if (d->options->removals &&
            pathset_add(&d->options->removals[letter - 'a'], step->path) < 0)
                return;
        if (buf_append_escaped(&path, step->path, strlen(step->path)) < 0)
                return;
        d->steps++;
        report_progress(d->report, NULL);
        printf("%s@%c: %s %s", d->mirror.config.root, letter, words[step->kind & 3],
               buf_string(&path));
        if (step->kind == STEP_PUT)
                print_size(step->number);
        printf("\n");
}
