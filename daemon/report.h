/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one mouth of the program: the journal when the service manager runs it, plain lines with a
 * level elsewhere, and the line of systemctl status.
 *
 * A state (a finding) is said when it begins, not each time that it is seen. States are collected
 * by topic: a topic is a member's letter, or one of those below. Between report_begin() and
 * report_end() of a topic those that still hold are named again; the others are forgotten, and
 * would be said anew.
 */
#pragma once

#include "base/attr.h"
#include "core/finding.h"
#include "messages.h"

#include <stdbool.h>
#include <stdint.h>

#define REPORT_SOURCE '@'
#define REPORT_WATCH '%' /* what cannot be watched */
#define REPORT_FILES '#' /* found by the workers, but true of the source, or of ourselves */

struct report;

/* 0 or -ENOMEM. root is copied. */
_must_check_ int report_new(const char *root, struct report **ret_report);
struct report *report_free(struct report *report);
void report_freep(struct report **report);
#define _cleanup_report_ _cleanup_(report_freep)

_must_check_ int report_set_root(struct report *report, const char *root);
void report_set_level(struct report *report, int level);

/* Says it. args->root is filled in. letter, if not 0, names the member: args->esp is filled in. Lack
 * of memory costs the message, never the work. */
void report_message(struct report *report, int message, char letter, struct message_args args);

/* "text: error", for faults that have no words of their own. */
void report_fault(struct report *report, const char *what, int error);

void report_begin(struct report *report, char topic);
void report_end(struct report *report, char topic);
/* All states of a topic end. */
void report_forget(struct report *report, char topic);
/* Names a state of the topic, with what holds it; it is said if it is new. */
void report_finding(struct report *report, char topic, char letter, const struct finding *finding);
/* The same for a state that is a message of the daemon's own: path, other and error are taken. */
void report_state(struct report *report, char topic, char letter, int message,
                  struct message_args args);
/* How many states of the topic hold that keep something from being mirrored. */
size_t report_problems(const struct report *report, char topic);
size_t report_all_problems(const struct report *report);

/* The line of systemctl status; the same one is not sent twice. */
void report_status(struct report *report, const char *status);

/* On a terminal: a line that is overwritten by the next one. NULL removes it. */
void report_progress(struct report *report, const char *line);
bool report_on_terminal(const struct report *report);
