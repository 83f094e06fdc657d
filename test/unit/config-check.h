/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading configuration texts and comparing what is wrong with them, for test-config*.c.
 */
#pragma once

#include "core/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static inline void append_diagnostics(struct buf *buf,
                                      const struct config_diagnostics *diagnostics) {
        static const char *const names[] = {
                [CONFIG_UNKNOWN_SECTION] = "unknown-section",
                [CONFIG_UNKNOWN_KEY] = "unknown-key",
                [CONFIG_NO_SECTION] = "no-section",
                [CONFIG_BAD_VALUE] = "bad-value",
                [CONFIG_DUPLICATE_KEY] = "duplicate",
                [CONFIG_BAD_LINE] = "bad-line",
                [CONFIG_LONG_LINE] = "long-line",
                [CONFIG_NUL_BYTE] = "nul",
                [CONFIG_FORBIDDEN_EXTRA] = "forbidden",
                [CONFIG_DELAY_ORDER] = "delay-order",
        };

        for (size_t i = 0; i < diagnostics->n; i++) {
                const struct config_diagnostic *d = &diagnostics->items[i];

                assert_non_null(d->file);
                assert_int_equal(buf_appendf(buf, "%s%s:%u %s [%s] %s='%s'", i > 0 ? "\n" : "",
                                             d->file, d->line, names[d->problem], d->section,
                                             d->key, d->value),
                                 0);
                if (d->other_line > 0)
                        assert_int_equal(buf_appendf(buf, " first %u", d->other_line), 0);
                /* Whoever gave a wrong value is told what would be right. */
                if (d->problem == CONFIG_BAD_VALUE || d->problem == CONFIG_FORBIDDEN_EXTRA)
                        assert_true(d->allowed && *d->allowed);
        }
}

struct file {
        const char *text;
        size_t size;
};

/* Reads files named a, b, … and compares what is wrong with a golden text. The settings are
 * returned if there is no error; the caller releases them either way. */
static inline bool read_files(const struct file *files, size_t n, const char *expected,
                              struct config *ret_config) {
        _cleanup_config_diagnostics_ struct config_diagnostics diagnostics =
                CONFIG_DIAGNOSTICS_INIT;
        _cleanup_config_parser_ struct config_parser *parser = config_parser_new();
        _cleanup_buf_ struct buf found = BUF_INIT;
        bool unusable = false;

        assert_non_null(parser);
        *ret_config = (struct config){ 0 };
        for (size_t i = 0; i < n; i++) {
                char name[] = { (char) ('a' + i), '\0' };
                /* In memory of its very size: reading beyond it is seen. */
                _cleanup_free_ char *copy = malloc(files[i].size > 0 ? files[i].size : 1);

                assert_non_null(copy);
                memcpy(copy, files[i].text, files[i].size);
                assert_int_equal(config_parser_add(parser, name, copy, files[i].size, &diagnostics),
                                 0);
        }
        int r = config_parser_finish(parser, &diagnostics, ret_config);
        append_diagnostics(&found, &diagnostics);
        if (expected)
                assert_string_equal(buf_string(&found), expected);
        for (size_t i = 0; i < diagnostics.n; i++)
                unusable |= config_problem_is_error(diagnostics.items[i].problem);
        assert_int_equal(r, unusable ? CONFIG_UNUSABLE : 0);
        return r == 0;
}

static inline bool read_text(const char *text, const char *expected, struct config *ret_config) {
        return read_files(&(struct file){ text, strlen(text) }, 1, expected, ret_config);
}

/* The text yields these diagnostics, and no settings if one of them is an error. */
static inline void expect(const char *text, const char *expected) {
        _cleanup_config_ struct config config;

        read_text(text, expected, &config);
}

static inline void expect_format(const struct config *config, const char *expected) {
        _cleanup_buf_ struct buf buf = BUF_INIT;

        assert_int_equal(config_format(&buf, config), 0);
        assert_string_equal(buf_string(&buf), expected);
}
