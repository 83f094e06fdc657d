/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libinih splits lines into keys and values; everything that its builds do differently is done
 * here, in the reader that hands it the text line by line:
 *
 *   - the reader counts lines, as not every build tells the handler where it is;
 *   - a line that does not fit the build's buffer is an error, not two lines;
 *   - leading blanks go, so that no line continues the one before it;
 *   - comments go, whole lines (# or ;) and what follows a blank and ';';
 *   - a byte order mark and carriage returns go; a NUL byte is an error;
 *   - sections are the reader's own: not every build tells where one begins, all take
 *     "[ESP] trash" for one, and some end the reading at the first mistake.
 *
 * libinih tells of its first error only. So the reader remembers whether the line that it gave
 * last has come back as a key; if not, it was neither section, key nor comment.
 *
 * Left out on purpose: continued lines, and stopping at the first mistake. Whoever edits the file
 * wants to hear of all of them at once.
 */
#include "base/timespan.h"
#include "core/config-internal.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#define BLANKS " \t\r\v\f"
#define SECTIONS "[ESP], [Mirror], [Verify] or [Log]"

/* Where a key was set last, over all files. */
struct origin {
        size_t file;    /* index in config_parser.files */
        unsigned line;  /* 0: never */
        unsigned order; /* counts all settings; the greater one came later */
        bool bad;       /* its value was refused */
};

struct config_parser {
        struct config config;
        struct strlist files;
        struct origin origins[CONFIG_KEY_COUNT];
        unsigned order;
};

/* One file being read. */
struct reader {
        struct config_parser *parser;
        struct config_diagnostics *diagnostics;
        const char *file;
        const char *rest; /* what was not read yet */
        size_t rest_size;
        unsigned line;       /* number of the line read last */
        const char *pending; /* a line given to libinih that has not come back as a key; or NULL */
        size_t pending_size;
        char *section;                    /* the section that we are in; NULL before the first */
        bool section_known;               /* otherwise its keys are passed over in silence */
        unsigned lines[CONFIG_KEY_COUNT]; /* where this file sets a key; 0: not yet */
        int error;                        /* -ENOMEM ends the reading */
};

int config_init(struct config *config) {
        _cleanup_config_ struct config made = {
                .bind = true,
                .bind_timeout = 10 * USEC_PER_SEC,
                .entry_token_auto = true,
                .debounce = 2 * USEC_PER_SEC,
                .max_delay = 30 * USEC_PER_SEC,
                .rescan_interval = 3600 * USEC_PER_SEC,
                .after_copy = true,
                .level = CONFIG_LEVEL_INFO,
        };

        made.root = strdup("/boot");
        if (!made.root)
                return -ENOMEM;
        int r = strlist_add(&made.file_systems, "vfat");
        if (r < 0)
                return r;
        *config = made;
        made = (struct config){ 0 };
        return 0;
}

void config_done(struct config *config) {
        free(config->root);
        strlist_done(&config->file_systems);
        strlist_done(&config->entry_tokens);
        strlist_done(&config->extra_paths);
        *config = (struct config){ 0 };
}

struct config_parser *config_parser_new(void) {
        _cleanup_config_parser_ struct config_parser *parser = calloc(1, sizeof(*parser));

        if (!parser || config_init(&parser->config) < 0)
                return NULL;
        return steal_ptr(parser);
}

struct config_parser *config_parser_free(struct config_parser *parser) {
        if (!parser)
                return NULL;
        config_done(&parser->config);
        strlist_done(&parser->files);
        free(parser);
        return NULL;
}

void config_parser_freep(struct config_parser **parser) {
        *parser = config_parser_free(*parser);
}

/* Notes a problem at the present line; a lack of memory ends the reading. */
static void report(struct reader *reader, struct config_finding finding) {
        finding.file = reader->file;
        finding.line = reader->line;

        int r = config_diagnostics_add(reader->diagnostics, &finding);
        if (r < 0)
                reader->error = r;
}

/* The same for a problem that is the line itself. */
static void report_line(struct reader *reader, enum config_problem problem, const char *line,
                        size_t size) {
        _cleanup_free_ char *value = strndup(line, size);

        if (!value) {
                reader->error = -ENOMEM;
                return;
        }
        report(reader, (struct config_finding){
                               .problem = problem,
                               .value = value,
                               .allowed = problem == CONFIG_BAD_LINE
                                                  ? "[Section], Key=value, or a comment that "
                                                    "begins with # or ;"
                                                  : NULL,
                       });
}

static bool is_blank(char c) {
        return c != '\0' && strchr(BLANKS, c);
}

/* Takes the next line off the text, without its newline. */
static bool next_line(struct reader *reader, const char **ret_line, size_t *ret_size) {
        if (reader->rest_size == 0)
                return false;

        const char *newline = memchr(reader->rest, '\n', reader->rest_size);
        size_t size = newline ? (size_t) (newline - reader->rest) : reader->rest_size;
        *ret_line = reader->rest;
        *ret_size = size;
        reader->rest += size + (newline ? 1 : 0);
        reader->rest_size -= size + (newline ? 1 : 0);
        reader->line++;
        return true;
}

/* Drops a comment behind the text, and blanks at both ends. A comment line becomes empty. */
static void trim_line(const char **line, size_t *size) {
        while (*size > 0 && is_blank(**line)) {
                (*line)++;
                (*size)--;
        }
        if (*size > 0 && (**line == '#' || **line == ';'))
                *size = 0;
        for (size_t i = 1; i < *size; i++)
                if ((*line)[i] == ';' && is_blank((*line)[i - 1]))
                        *size = i;
        while (*size > 0 && is_blank((*line)[*size - 1]))
                (*size)--;
}

/* Takes note of the section that begins. */
static void begin_section(struct reader *reader, const char *line, size_t size) {
        bool well_formed = size >= 3 && (const char *) memchr(line, ']', size) == line + size - 1;
        char *name = well_formed ? strndup(line + 1, size - 2) : strdup("");

        if (!name) {
                reader->error = -ENOMEM;
                return;
        }
        free(reader->section);
        reader->section = name;
        reader->section_known = config_section_known(name);
        if (!well_formed)
                report_line(reader, CONFIG_BAD_LINE, line, size);
        else if (!reader->section_known)
                report(reader, (struct config_finding){ .problem = CONFIG_UNKNOWN_SECTION,
                                                        .section = name,
                                                        .allowed = SECTIONS });
}

/* Called once the line given last can no longer come back. */
static void settle_pending(struct reader *reader) {
        if (reader->pending)
                report_line(reader, CONFIG_BAD_LINE, reader->pending, reader->pending_size);
        reader->pending = NULL;
}

/* Whether libinih is to see the line. room is what its buffer holds, newline and NUL included. */
static bool wants_line(struct reader *reader, const char *line, size_t size, size_t room) {
        if (size == 0)
                return false;
        if (line[0] == '[') {
                begin_section(reader, line, size);
                return false;
        }
        if (size + 2 > room) {
                report(reader, (struct config_finding){ .problem = CONFIG_LONG_LINE });
                return false;
        }
        reader->pending = line;
        reader->pending_size = size;
        return true;
}

/* The ini_reader: like fgets(), but gives only lines that should be keys. */
static char *read_line(char *ret_line, int num, void *stream) {
        struct reader *reader = stream;
        const char *line;
        size_t size;

        settle_pending(reader);
        while (reader->error == 0 && next_line(reader, &line, &size)) {
                if (memchr(line, '\0', size)) {
                        report(reader, (struct config_finding){ .problem = CONFIG_NUL_BYTE });
                        continue;
                }
                trim_line(&line, &size);
                if (!wants_line(reader, line, size, num > 0 ? (size_t) num : 0))
                        continue;
                memcpy(ret_line, line, size);
                memcpy(ret_line + size, "\n", 2);
                return ret_line;
        }
        return NULL;
}

/* Whether the value was taken; if not, that is reported as finding, with what is wrong filled in. */
static bool take_value(struct reader *reader, enum config_key key, const char *value,
                       struct config_finding finding) {
        _cleanup_free_ char *word = NULL;
        int r;

        r = config_value_set(&reader->parser->config, key, value, &word);
        if (r < 0)
                reader->error = r;
        if (r > 0) {
                finding.problem =
                        r == CONFIG_VALUE_FORBIDDEN ? CONFIG_FORBIDDEN_EXTRA : CONFIG_BAD_VALUE;
                finding.value = word;
                finding.allowed = config_key_allowed(key, (enum config_value_outcome) r);
                report(reader, finding);
        }
        return r == 0;
}

/* Sets a known key, if its value is right. */
static void set_key(struct reader *reader, enum config_key key, const char *value) {
        struct origin *origin = &reader->parser->origins[key];
        struct config_finding finding = {
                .section = config_key_section(key),
                .key = config_key_name(key),
                .value = value,
        };

        *origin = (struct origin){ .file = reader->parser->files.n - 1,
                                   .line = reader->line,
                                   .order = ++reader->parser->order,
                                   .bad = true };
        if (reader->lines[key] > 0) {
                finding.problem = CONFIG_DUPLICATE_KEY;
                finding.other_line = reader->lines[key];
                report(reader, finding);
                return;
        }
        reader->lines[key] = reader->line;
        origin->bad = !take_value(reader, key, value, finding);
}

/*
 * The ini_handler. Always returns 1 (fine): problems go the other way. Some builds call it for
 * lines without '=' too (value is NULL); such a line stays pending. The section is the reader's.
 */
#if INI_HANDLER_LINENO
static int handle_key(void *user, const char *section _unused_, const char *name, const char *value,
                      int lineno _unused_) {
#else
static int handle_key(void *user, const char *section _unused_, const char *name,
                      const char *value) {
#endif
        struct reader *reader = user;

        if (!value || name[0] == '\0' || reader->error != 0)
                return 1;
        reader->pending = NULL;
        if (reader->section && !reader->section_known)
                return 1;

        struct config_finding finding = { .problem = CONFIG_UNKNOWN_KEY,
                                          .section = reader->section,
                                          .key = name,
                                          .value = value };
        if (!reader->section) {
                finding.problem = CONFIG_NO_SECTION;
                finding.allowed = SECTIONS " above it";
                report(reader, finding);
                return 1;
        }
        enum config_key key = config_key_find(reader->section, name);
        if (key == CONFIG_KEY_COUNT)
                report(reader, finding);
        else
                set_key(reader, key, value);
        return 1;
}

int config_parser_add(struct config_parser *parser, const char *file, const char *text, size_t size,
                      struct config_diagnostics *diagnostics) {
        static const char byte_order_mark[] = { '\xef', '\xbb', '\xbf' };
        struct reader reader = {
                .parser = parser,
                .diagnostics = diagnostics,
                .file = file,
                .rest = text,
                .rest_size = size,
        };

        int r = strlist_add(&parser->files, file);
        if (r < 0)
                return r;
        if (size >= sizeof(byte_order_mark) &&
            memcmp(text, byte_order_mark, sizeof(byte_order_mark)) == 0) {
                reader.rest += sizeof(byte_order_mark);
                reader.rest_size -= sizeof(byte_order_mark);
        }

        /* Once more if a build has stopped at a mistake, which is the pending line; it was taken
         * off the text, so each turn is nearer to the end. */
        do {
                r = ini_parse_stream(read_line, &reader, handle_key, &reader);
                settle_pending(&reader);
        } while (r >= 0 && reader.error == 0 && reader.rest_size > 0);
        free(reader.section);
        if (reader.error < 0)
                return reader.error;
        return r < 0 ? -ENOMEM : 0;
}

/* MaxDelaySec= against DebounceSec=, unless one of them was refused already. */
static int check_delays(struct config_parser *parser, struct config_diagnostics *diagnostics) {
        const struct origin *debounce = &parser->origins[CONFIG_KEY_DEBOUNCE];
        const struct origin *max_delay = &parser->origins[CONFIG_KEY_MAX_DELAY];
        const struct config *config = &parser->config;

        if (config->max_delay >= config->debounce || debounce->bad || max_delay->bad)
                return 0;

        bool max_delay_last = max_delay->order > debounce->order;
        enum config_key key = max_delay_last ? CONFIG_KEY_MAX_DELAY : CONFIG_KEY_DEBOUNCE;
        _cleanup_buf_ struct buf value = BUF_INIT;
        int r = timespan_format(&value, max_delay_last ? config->max_delay : config->debounce);
        if (r < 0)
                return r;

        struct config_finding finding = {
                .problem = CONFIG_DELAY_ORDER,
                .file = parser->files.items[parser->origins[key].file],
                .line = parser->origins[key].line,
                .section = config_key_section(key),
                .key = config_key_name(key),
                .value = buf_string(&value),
                .allowed = "MaxDelaySec= at least as long as DebounceSec=",
        };
        return config_diagnostics_add(diagnostics, &finding);
}

int config_parser_finish(struct config_parser *parser, struct config_diagnostics *diagnostics,
                         struct config *ret_config) {
        int r = check_delays(parser, diagnostics);
        if (r < 0)
                return r;
        for (size_t i = 0; i < diagnostics->n; i++)
                if (config_problem_is_error(diagnostics->items[i].problem))
                        return CONFIG_UNUSABLE;

        *ret_config = parser->config;
        parser->config = (struct config){ 0 };
        return 0;
}
