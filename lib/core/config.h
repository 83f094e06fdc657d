/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings, and how they are read from INI text (libinih).
 *
 * Pure: the text comes from the caller, and what is wrong with it goes back as values. The rules
 * are those of bootsync.conf(5): unknown sections and keys are warnings; bad values, duplicate
 * keys within one file, lines that are too long, NUL bytes and lines that are neither are errors;
 * a later file overrides an earlier one.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file that is larger is refused by the reader. */
#define CONFIG_SIZE_MAX (256U * 1024U)

enum config_level {
        CONFIG_LEVEL_ERR = 3, /* the numbers are syslog's */
        CONFIG_LEVEL_WARNING = 4,
        CONFIG_LEVEL_NOTICE = 5,
        CONFIG_LEVEL_INFO = 6,
        CONFIG_LEVEL_DEBUG = 7,
};

struct config {
        /* [ESP] */
        char *root; /* absolute, normalized, no trailing slash */
        bool bind;
        uint64_t bind_timeout;       /* microseconds, as all times here */
        struct strlist file_systems; /* names as in /proc/filesystems: vfat, ext4 */
        /* [Mirror] */
        bool entry_token_auto;       /* {machine id, /etc/kernel/entry-token} */
        struct strlist entry_tokens; /* otherwise these */
        uint64_t debounce;
        uint64_t max_delay;
        uint64_t rescan_interval;   /* TIMESPAN_INFINITY: never */
        struct strlist extra_paths; /* relative paths */
        /* [Verify] */
        bool after_copy;
        /* [Log] */
        enum config_level level;
};

enum config_problem {
        CONFIG_UNKNOWN_SECTION, /* warnings … */
        CONFIG_UNKNOWN_KEY,
        CONFIG_NO_SECTION, /* a key before any section */
        CONFIG_BAD_VALUE,  /* errors … */
        CONFIG_DUPLICATE_KEY,
        CONFIG_BAD_LINE, /* neither section, key nor comment */
        CONFIG_LONG_LINE,
        CONFIG_NUL_BYTE,
        CONFIG_FORBIDDEN_EXTRA, /* ExtraPaths= names what is never mirrored, or holds such */
        CONFIG_DELAY_ORDER,     /* MaxDelaySec is below DebounceSec (after all files) */
};

/* One thing that is wrong. */
struct config_diagnostic {
        enum config_problem problem;
        char *file;
        unsigned line; /* from 1; where the setting that matters was made */
        char *section; /* "" where there is none; never NULL, as the next two */
        char *key;
        char *value;         /* the offending value, word or path */
        const char *allowed; /* what would be right, or NULL: a static text in plain words */
        unsigned other_line; /* CONFIG_DUPLICATE_KEY: where it stood first; else 0 */
};

struct config_diagnostics {
        struct config_diagnostic *items;
        size_t n;
        size_t room;
};

#define CONFIG_DIAGNOSTICS_INIT ((struct config_diagnostics){ 0 })

void config_diagnostics_done(struct config_diagnostics *diagnostics);
#define _cleanup_config_diagnostics_ _cleanup_(config_diagnostics_done)

/* Whether the problem makes the file unusable. */
bool config_problem_is_error(enum config_problem problem);

struct config_parser;

/* All settings at their defaults. 0 or -ENOMEM. Release with config_done(). */
_must_check_ int config_init(struct config *config);
void config_done(struct config *config);
#define _cleanup_config_ _cleanup_(config_done)

/* Reads files in order into one set of settings. NULL on lack of memory. */
struct config_parser *config_parser_new(void);
struct config_parser *config_parser_free(struct config_parser *parser);
void config_parser_freep(struct config_parser **parser);
#define _cleanup_config_parser_ _cleanup_(config_parser_freep)

/* Reads one file's text. Problems are appended to diagnostics, in line order. 0 or -ENOMEM. */
_must_check_ int config_parser_add(struct config_parser *parser, const char *file, const char *text,
                                   size_t size, struct config_diagnostics *diagnostics);

enum config_outcome {
        CONFIG_UNUSABLE = 1, /* at least one error among all diagnostics so far */
};

/*
 * Ends the reading: checks what spans keys, and moves the settings to *ret_config (which the caller
 * releases with config_done()). 0, CONFIG_UNUSABLE (nothing is returned), or -ENOMEM.
 */
_must_check_ int config_parser_finish(struct config_parser *parser,
                                      struct config_diagnostics *diagnostics,
                                      struct config *ret_config);

/* Appends the settings as a file that parses to the same settings: every section and key, one a line. */
_must_check_ int config_format(struct buf *buf, const struct config *config);
