/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where words go. What they are is in messages.c.
 *
 * Left out on purpose: syslog and log files. Who wants them has them from the journal.
 */
/* Where in our source a message was made is of no use to an administrator. */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "report.h"

#include "base/buf.h"
#include "base/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-login.h>

#define JOURNAL_FIELDS 12

struct seen {
        char topic;
        bool now;
        bool problem;
        uint64_t hash;
};

struct report {
        char *root;
        bool journal;
        char *unit; /* that we are run by, or NULL */
        bool terminal;
        bool progress_shown;
        int level;
        char *status;
        struct seen *seen;
        size_t n_seen, room_seen;
};

/* The journal's stream is standard error when JOURNAL_STREAM names its device and inode: see
 * systemd.exec(5). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 ||
            fstat(STDERR_FILENO, &st) < 0)
                return false;
        return st.st_dev == dev && st.st_ino == ino;
}

int report_new(const char *root, struct report **ret_report) {
        _cleanup_report_ struct report *report = calloc(1, sizeof(*report));

        if (!report)
                return -ENOMEM;
        report->root = strdup(root);
        if (!report->root)
                return -ENOMEM;
        report->level = LOG_INFO;
        report->journal = stderr_is_journal();
        if (report->journal && sd_pid_get_unit(0, &report->unit) < 0)
                report->unit = NULL;
        report->terminal = !report->journal && isatty(STDERR_FILENO);
        *ret_report = steal_ptr(report);
        return 0;
}

struct report *report_free(struct report *report) {
        if (!report)
                return NULL;
        report_progress(report, NULL);
        free(report->root);
        free(report->unit);
        free(report->status);
        free(report->seen);
        free(report);
        return NULL;
}

void report_freep(struct report **report) {
        *report = report_free(*report);
}

int report_set_root(struct report *report, const char *root) {
        char *copy = strdup(root);

        if (!copy)
                return -ENOMEM;
        free(report->root);
        report->root = copy;
        return 0;
}

void report_set_level(struct report *report, int level) {
        report->level = level;
}

bool report_on_terminal(const struct report *report) {
        return report->terminal;
}

static const char *level_word(int level) {
        static const char *const words[] = { "emergency", "alert",  "critical", "error",
                                             "warning",   "notice", "info",     "debug" };

        return words[level & 7];
}

static void to_stderr(struct report *report, int level, const char *text) {
        report_progress(report, NULL);
        fprintf(stderr, "%s: %s\n", level_word(level), text);
}

/* Collects NAME=value fields for one journal entry. */
struct fields {
        struct buf texts[JOURNAL_FIELDS];
        struct iovec vectors[JOURNAL_FIELDS];
        int n;
};

static void fields_done(struct fields *fields) {
        for (int i = 0; i < fields->n; i++)
                buf_done(&fields->texts[i]);
}

static void add_field(struct fields *fields, const char *name, const char *value) {
        struct buf *text = &fields->texts[fields->n];

        if (!value || !value[0] || fields->n == JOURNAL_FIELDS)
                return;
        fields->n++;
        if (buf_appendf(text, "%s=%s", name, value) < 0)
                buf_done(text);
        fields->vectors[fields->n - 1] = (struct iovec){ text->data, text->size };
}

static void add_number(struct fields *fields, const char *name, uint64_t value) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, value);
        add_field(fields, name, value ? text : NULL);
}

/* journald looks up the unit by our process id, and finds none if we have ended by then: with
 * OBJECT_SYSTEMD_UNIT= the last words are the unit's, too. */
static void to_journal(const struct report *report, const struct message_form *form,
                       const struct message_args *args, const char *text) {
        _cleanup_(fields_done) struct fields fields = { 0 };
        bool is_finding = form->message < MESSAGE_FIRST;

        add_field(&fields, "MESSAGE", text);
        add_number(&fields, "PRIORITY", (uint64_t) form->level);
        add_field(&fields, "MESSAGE_ID", form->id);
        add_field(&fields, "SYSLOG_IDENTIFIER", "bootsyncd");
        add_field(&fields, "OBJECT_SYSTEMD_UNIT", report->unit);
        add_field(&fields, "BOOTSYNC_ESP", args->esp);
        add_field(&fields, "BOOTSYNC_PATH", args->path);
        add_field(&fields, "BOOTSYNC_REASON", form->name);
        add_number(&fields, "BOOTSYNC_GUARD",
                   is_finding ? finding_guard((enum finding_kind) form->message) : 0);
        add_number(&fields, "BOOTSYNC_BYTES", args->bytes);
        add_number(&fields, "BOOTSYNC_USEC", args->usec);
        add_number(&fields, "ERRNO", (uint64_t) (args->error < 0 ? -args->error : args->error));
        if (sd_journal_sendv(fields.vectors, fields.n) < 0)
                fprintf(stderr, SD_NOTICE "%s\n", text);
}

void report_message(struct report *report, int message, char letter, struct message_args args) {
        const struct message_form *form = message_form(message);
        _cleanup_buf_ struct buf text = BUF_INIT, esp = BUF_INIT;

        if (form->level > report->level)
                return;
        args.root = report->root;
        if (letter && !args.esp && buf_appendf(&esp, "%s@%c", report->root, letter) == 0)
                args.esp = buf_string(&esp);
        if (message_format(&text, form, &args) < 0)
                return;
        if (report->journal)
                to_journal(report, form, &args, buf_string(&text));
        else
                to_stderr(report, form->level, buf_string(&text));
}

void report_fault(struct report *report, const char *what, int error) {
        report_message(report, MESSAGE_FAULT, 0,
                       (struct message_args){ .path = what, .error = error });
}

void report_begin(struct report *report, char topic) {
        for (size_t i = 0; i < report->n_seen; i++)
                if (report->seen[i].topic == topic)
                        report->seen[i].now = false;
}

void report_end(struct report *report, char topic) {
        size_t kept = 0;

        for (size_t i = 0; i < report->n_seen; i++)
                if (report->seen[i].topic != topic || report->seen[i].now)
                        report->seen[kept++] = report->seen[i];
        report->n_seen = kept;
}

void report_forget(struct report *report, char topic) {
        report_begin(report, topic);
        report_end(report, topic);
}

/* An extra file, or a repaired one, keeps nothing from being mirrored; nor does what is found by the
 * rescan only. */
static bool is_problem(enum finding_kind kind) {
        return kind != FINDING_EXTRA && kind != FINDING_RUNNING_KERNEL && kind != FINDING_DRIFT &&
               kind != FINDING_CHANGED && (int) kind != MESSAGE_WATCH_LIMIT &&
               (int) kind != MESSAGE_WATCH_ERROR;
}

static struct seen *find_seen(struct report *report, char topic, uint64_t hash) {
        for (size_t i = 0; i < report->n_seen; i++)
                if (report->seen[i].topic == topic && report->seen[i].hash == hash)
                        return &report->seen[i];
        return NULL;
}

static struct seen *add_seen(struct report *report, char topic, uint64_t hash) {
        if (report->n_seen == report->room_seen) {
                size_t room = report->room_seen ? report->room_seen * 2 : 16;
                struct seen *seen = reallocarray(report->seen, room, sizeof(*seen));

                if (!seen)
                        return NULL;
                report->seen = seen;
                report->room_seen = room;
        }
        report->seen[report->n_seen] = (struct seen){ .topic = topic, .hash = hash };
        return &report->seen[report->n_seen++];
}

static uint64_t hash_finding(const struct finding *finding) {
        _cleanup_buf_ struct buf text = BUF_INIT;

        if (buf_appendf(&text, "%d/%s/%s/%d", finding->kind, finding->path, finding->other,
                        finding->error) < 0)
                return (uint64_t) finding->kind;
        return digest_of(text.data, text.size).low;
}

void report_finding(struct report *report, char topic, char letter, const struct finding *finding) {
        uint64_t hash = hash_finding(finding);
        struct seen *seen = find_seen(report, topic, hash);

        if (!seen) {
                report_message(report, (int) finding->kind, letter,
                               (struct message_args){ .path = finding->path,
                                                      .other = finding->other,
                                                      .number = finding->number,
                                                      .error = finding->error });
                seen = add_seen(report, topic, hash);
        }
        if (!seen)
                return;
        seen->now = true;
        seen->problem = is_problem(finding->kind);
}

void report_state(struct report *report, char topic, char letter, int message,
                  struct message_args args) {
        const struct finding finding = { .kind = (enum finding_kind) message,
                                         .path = (char *) (args.path ? args.path : ""),
                                         .other = (char *) (args.other ? args.other : ""),
                                         .error = args.error };

        report_finding(report, topic, letter, &finding);
}

size_t report_problems(const struct report *report, char topic) {
        size_t n = 0;

        for (size_t i = 0; i < report->n_seen; i++)
                n += report->seen[i].topic == topic && report->seen[i].problem;
        return n;
}

size_t report_all_problems(const struct report *report) {
        size_t n = 0;

        for (size_t i = 0; i < report->n_seen; i++)
                n += report->seen[i].problem;
        return n;
}

void report_status(struct report *report, const char *status) {
        if (report->status && strcmp(report->status, status) == 0)
                return;
        free(report->status);
        report->status = strdup(status);
        sd_notifyf(0, "STATUS=%s", status);
}

void report_progress(struct report *report, const char *line) {
        if (!report->terminal || (!line && !report->progress_shown))
                return;
        fprintf(stderr, "\r\033[K%s", line ? line : "");
        fflush(stderr);
        report->progress_shown = line != NULL;
}
