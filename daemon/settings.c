/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading settings: which files, and the words for what is wrong with them.
 */
#include "settings.h"

#include "os/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SUFFIX ".conf"

static const char *or_empty(const char *text) {
        return text ? text : "";
}

int settings_format_diagnostic(struct buf *buf, const struct config_diagnostic *d) {
        int r;

        r = buf_appendf(buf, "%s:%u: ", d->file, d->line);
        if (r < 0)
                return r;

        switch (d->problem) {
        case CONFIG_UNKNOWN_SECTION:
                return buf_appendf(buf,
                                   "unknown section [%s]: what it holds is ignored; there are %s",
                                   d->section, or_empty(d->allowed));
        case CONFIG_UNKNOWN_KEY:
                return buf_appendf(buf,
                                   "unknown key %s= in [%s]: it is ignored; bootsync.conf(5) "
                                   "has all keys",
                                   d->key, d->section);
        case CONFIG_NO_SECTION:
                return buf_appendf(buf, "%s= stands before any [section]: it is ignored; put %s",
                                   d->key, or_empty(d->allowed));
        case CONFIG_BAD_VALUE:
                return buf_appendf(buf, "%s=: '%s' is not allowed; it takes %s", d->key, d->value,
                                   or_empty(d->allowed));
        case CONFIG_DUPLICATE_KEY:
                return buf_appendf(buf, "%s= stands here again, after line %u: remove one of them",
                                   d->key, d->other_line);
        case CONFIG_BAD_LINE:
                return buf_appendf(buf, "'%s' is neither [Section], Key=value nor a # comment",
                                   d->value);
        case CONFIG_LONG_LINE:
                return buf_append_string(buf, "the line is too long: shorten it; a directory in "
                                              "ExtraPaths= stands for all that it holds");
        case CONFIG_NUL_BYTE:
                return buf_append_string(buf, "the line holds a NUL byte, so this is no text "
                                              "file: write it anew");
        case CONFIG_FORBIDDEN_EXTRA:
                return buf_appendf(
                        buf, "%s=: '%s' is, or holds, what must never be mirrored; it takes %s",
                        d->key, d->value, or_empty(d->allowed));
        case CONFIG_DELAY_ORDER:
                return buf_appendf(buf,
                                   "%s=%s: MaxDelaySec= must not be below DebounceSec=", d->key,
                                   d->value);
        }
        return 0;
}

static void report_diagnostics(struct report *report, const struct config_diagnostics *list) {
        for (size_t i = 0; i < list->n; i++) {
                _cleanup_buf_ struct buf text = BUF_INIT;
                bool error = config_problem_is_error(list->items[i].problem);

                if (settings_format_diagnostic(&text, &list->items[i]) < 0)
                        continue;
                report_message(report,
                               error ? MESSAGE_CONFIG_DIAGNOSTIC_ERROR
                                     : MESSAGE_CONFIG_DIAGNOSTIC_WARNING,
                               0, (struct message_args){ .path = buf_string(&text) });
        }
}

/* 0, SETTINGS_UNUSABLE or < 0. */
static int load_one(struct report *report, struct config_parser *parser, const char *file,
                    bool may_be_missing, struct config_diagnostics *diagnostics) {
        _cleanup_buf_ struct buf text = BUF_INIT;
        int r;

        r = slurp(AT_FDCWD, file, CONFIG_SIZE_MAX, &text);
        if (r == -ENOENT && may_be_missing)
                return 0;
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                report_message(report, MESSAGE_CONFIG_UNREADABLE, 0,
                               (struct message_args){ .path = file, .error = r });
                return SETTINGS_UNUSABLE;
        }
        return config_parser_add(parser, file, buf_string(&text), text.size, diagnostics);
}

static bool is_conf_name(const char *name) {
        size_t n = strlen(name), suffix = strlen(SUFFIX);

        return n > suffix && name[0] != '.' && strcmp(name + n - suffix, SUFFIX) == 0;
}

static int load_directory(struct report *report, struct config_parser *parser, const char *file,
                          struct config_diagnostics *diagnostics) {
        _cleanup_strlist_ struct strlist names = STRLIST_INIT;
        _cleanup_buf_ struct buf dir = BUF_INIT;
        int r, outcome = 0;

        r = buf_appendf(&dir, "%s.d", file);
        if (r < 0)
                return r;
        r = slurp_names(buf_string(&dir), false, &names);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                report_message(report, MESSAGE_CONFIG_UNREADABLE, 0,
                               (struct message_args){ .path = buf_string(&dir), .error = r });
                return r == -ENOMEM ? r : SETTINGS_UNUSABLE;
        }
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_buf_ struct buf path = BUF_INIT;

                if (!is_conf_name(names.items[i]))
                        continue;
                r = buf_appendf(&path, "%s/%s", buf_string(&dir), names.items[i]);
                if (r == 0)
                        r = load_one(report, parser, buf_string(&path), false, diagnostics);
                if (r < 0)
                        return r;
                outcome = r > 0 ? r : outcome;
        }
        return outcome;
}

int settings_load(struct report *report, const char *file, struct config *ret_config) {
        _cleanup_config_diagnostics_ struct config_diagnostics diagnostics =
                CONFIG_DIAGNOSTICS_INIT;
        _cleanup_config_parser_ struct config_parser *parser = config_parser_new();
        _cleanup_config_ struct config config = { 0 };
        int first, rest, r;

        if (!parser)
                return -ENOMEM;
        first = load_one(report, parser, file ? file : SETTINGS_FILE, !file, &diagnostics);
        if (first < 0)
                return first;
        rest = load_directory(report, parser, file ? file : SETTINGS_FILE, &diagnostics);
        if (rest < 0)
                return rest;

        r = config_parser_finish(parser, &diagnostics, &config);
        report_diagnostics(report, &diagnostics);
        if (r < 0)
                return r;
        if (r > 0 || first > 0 || rest > 0)
                return SETTINGS_UNUSABLE;
        *ret_config = config;
        config = (struct config){ 0 };
        return 0;
}
