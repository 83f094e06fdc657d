/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One key, one value: the table of keys, and a reader for each kind of value. A reader builds the
 * new setting apart and puts it in place last, so that a value is taken whole or not at all.
 *
 * ExtraPaths= is refused, in this order, if
 *   1. a path is no path below the ESP that FAT could hold;
 *   2. it is, or lies below, what is never mirrored, or a directory that holds such;
 *   3. it is, or holds, a directory that other systems' entries live in.
 *
 * Left out on purpose: quoting and escapes. None of the values needs a blank.
 */
#include "base/relpath.h"
#include "base/timespan.h"
#include "core/config-internal.h"
#include "core/scope.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define USEC_PER_HOUR (3600 * USEC_PER_SEC)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_YEAR (365 * USEC_PER_DAY)

struct key {
        const char *section;
        const char *name;
        const char *allowed;
};

static const struct key keys[CONFIG_KEY_COUNT] = {
        [CONFIG_KEY_ROOT] = { "ESP", "Root",
                              "an absolute path other than /, without blanks, . and .." },
        [CONFIG_KEY_BIND] = { "ESP", "Bind", "yes or no" },
        [CONFIG_KEY_BIND_TIMEOUT] = { "ESP", "BindTimeoutSec",
                                      "a time span from 0 to 1h, as 10s or 1min 30s" },
        [CONFIG_KEY_FILE_SYSTEMS] = { "ESP", "FileSystems", "a list of vfat and ext4" },
        [CONFIG_KEY_ENTRY_TOKEN] = { "Mirror", "EntryToken",
                                     "auto, or a list of directory names on the ESP other than "
                                     "EFI and loader" },
        [CONFIG_KEY_DEBOUNCE] = { "Mirror", "DebounceSec",
                                  "a time span from 0 to 1h, as 2s or 500ms" },
        [CONFIG_KEY_MAX_DELAY] = { "Mirror", "MaxDelaySec",
                                   "a time span from 100ms to 1d, as 30s or 5min" },
        [CONFIG_KEY_RESCAN_INTERVAL] = { "Mirror", "RescanIntervalSec",
                                         "a time span from 1s to 365d, as 1h, or infinity" },
        [CONFIG_KEY_EXTRA_PATHS] = { "Mirror", "ExtraPaths",
                                     "a list of paths below the ESP, without . and .., whose "
                                     "names FAT can hold" },
        [CONFIG_KEY_AFTER_COPY] = { "Verify", "AfterCopy", "yes or no" },
        [CONFIG_KEY_LEVEL] = { "Log", "Level", "err, warning, notice, info or debug" },
};

bool config_section_known(const char *section) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0)
                        return true;
        return false;
}

enum config_key config_key_find(const char *section, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
                        return (enum config_key) i;
        return CONFIG_KEY_COUNT;
}

const char *config_key_section(enum config_key key) {
        return keys[key].section;
}

const char *config_key_name(enum config_key key) {
        return keys[key].name;
}

const char *config_key_allowed(enum config_key key, enum config_value_outcome outcome) {
        if (outcome == CONFIG_VALUE_FORBIDDEN)
                return "a path that neither is nor holds loader/random-seed, loader/entries.srel, "
                       "loader/keys, EFI/Microsoft, System Volume Information or FSCK*.REC, and "
                       "not loader/entries or EFI/Linux as a whole";
        return keys[key].allowed;
}

static int refuse(const char *word, int outcome, char **ret_word) {
        *ret_word = strdup(word);
        return *ret_word ? outcome : -ENOMEM;
}

static bool is_one_of(const char *text, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcasecmp(text, words[i]) == 0)
                        return true;
        return false;
}

static int set_bool(bool *setting, const char *value, char **ret_word) {
        static const char *const yes[] = { "yes", "y", "true", "t", "on", "1" };
        static const char *const no[] = { "no", "n", "false", "f", "off", "0" };
        bool is_yes = is_one_of(value, yes, ELEMENTSOF(yes));

        if (!is_yes && !is_one_of(value, no, ELEMENTSOF(no)))
                return refuse(value, CONFIG_VALUE_BAD, ret_word);
        *setting = is_yes;
        return 0;
}

static int set_span(uint64_t *setting, const char *value, uint64_t min, uint64_t max,
                    char **ret_word) {
        uint64_t usec;

        if (timespan_parse(value, &usec) < 0 || usec < min || usec > max)
                return refuse(value, CONFIG_VALUE_BAD, ret_word);
        *setting = usec;
        return 0;
}

/* Both spellings of "never" become one. */
static int set_interval(uint64_t *setting, const char *value, char **ret_word) {
        uint64_t usec;

        if (timespan_parse(value, &usec) == 0 && (usec == 0 || usec == TIMESPAN_INFINITY)) {
                *setting = TIMESPAN_INFINITY;
                return 0;
        }
        return set_span(setting, value, USEC_PER_SEC, USEC_PER_YEAR, ret_word);
}

static int set_level(enum config_level *setting, const char *value, char **ret_word) {
        for (int i = CONFIG_LEVEL_ERR; i <= (int) CONFIG_LEVEL_DEBUG; i++)
                if (strcmp(value, config_level_name((enum config_level) i)) == 0) {
                        *setting = (enum config_level) i;
                        return 0;
                }
        return refuse(value, CONFIG_VALUE_BAD, ret_word);
}

/* Appends path without leading, doubled and trailing slashes. */
static int append_normalized(struct buf *buf, const char *path) {
        const char *separator = "";

        for (path += strspn(path, "/"); *path != '\0'; path += strspn(path, "/")) {
                size_t size = strcspn(path, "/");

                int r = buf_append_string(buf, separator);
                if (r < 0)
                        return r;
                r = buf_append(buf, path, size);
                if (r < 0)
                        return r;
                separator = "/";
                path += size;
        }
        return 0;
}

static bool has_blank_or_control(const char *text) {
        for (; *text != '\0'; text++)
                if ((unsigned char) *text <= ' ' || *text == 0x7f)
                        return true;
        return false;
}

static int set_root(char **setting, const char *value, char **ret_word) {
        _cleanup_buf_ struct buf root = BUF_INIT;

        if (value[0] != '/' || has_blank_or_control(value))
                return refuse(value, CONFIG_VALUE_BAD, ret_word);

        int r = buf_append_string(&root, "/");
        if (r < 0)
                return r;
        r = append_normalized(&root, value);
        if (r < 0)
                return r;
        if (root.size == 1 || !relpath_valid(buf_string(&root) + 1))
                return refuse(value, CONFIG_VALUE_BAD, ret_word);

        char *text = buf_steal(&root);
        if (!text)
                return -ENOMEM;
        free(*setting);
        *setting = text;
        return 0;
}

/*
 * Reads a list of words, each of which check() may change or refuse, into a list that is not
 * empty. A word that stands twice is kept once.
 */
static int read_words(struct strlist *ret_words, const char *value,
                      int (*check)(const char *word, struct buf *accepted), char **ret_word) {
        _cleanup_strlist_ struct strlist words = STRLIST_INIT;

        int r = strlist_add_words(&words, value);
        if (r < 0)
                return r;
        for (size_t i = 0; i < words.n; i++) {
                _cleanup_buf_ struct buf accepted = BUF_INIT;

                r = check(words.items[i], &accepted);
                if (r > 0)
                        return refuse(words.items[i], r, ret_word);
                if (r == 0 && !strlist_contains(ret_words, buf_string(&accepted)))
                        r = strlist_add(ret_words, buf_string(&accepted));
                if (r < 0)
                        return r;
        }
        return 0;
}

static void replace_list(struct strlist *setting, struct strlist *list) {
        strlist_done(setting);
        *setting = *list;
        *list = STRLIST_INIT;
}

static int check_file_system(const char *word, struct buf *accepted) {
        if (strcmp(word, "vfat") != 0 && strcmp(word, "ext4") != 0)
                return CONFIG_VALUE_BAD;
        return buf_append_string(accepted, word);
}

static int set_file_systems(struct strlist *setting, const char *value, char **ret_word) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;

        int r = read_words(&list, value, check_file_system, ret_word);
        if (r != 0)
                return r;
        if (list.n == 0)
                return refuse(value, CONFIG_VALUE_BAD, ret_word);
        replace_list(setting, &list);
        return 0;
}

static int check_token(const char *word, struct buf *accepted) {
        if (strcasecmp(word, "auto") == 0 || !scope_token_valid(word))
                return CONFIG_VALUE_BAD;
        return buf_append_string(accepted, word);
}

static int set_entry_token(struct config *config, const char *value, char **ret_word) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;
        bool is_auto = strcmp(value, "auto") == 0;

        if (!is_auto) {
                int r = read_words(&list, value, check_token, ret_word);
                if (r != 0)
                        return r;
                if (list.n == 0)
                        return refuse(value, CONFIG_VALUE_BAD, ret_word);
        }
        config->entry_token_auto = is_auto;
        replace_list(&config->entry_tokens, &list);
        return 0;
}

static bool is_fsck_name(const char *name, size_t size) {
        return size >= strlen("FSCK.REC") && strncasecmp(name, "FSCK", 4) == 0 &&
               strncasecmp(name + size - 4, ".REC", 4) == 0;
}

static bool path_forbidden(const char *path) {
        static const char *const never[] = {
                "loader/random-seed", "loader/entries.srel",       "loader/keys",
                "EFI/Microsoft",      "System Volume Information",
        };
        static const char *const shared[] = { "loader/entries", "EFI/Linux" };

        for (size_t i = 0; i < ELEMENTSOF(never); i++)
                if (relpath_below(path, never[i]) || relpath_below(never[i], path))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(shared); i++)
                if (relpath_below(shared[i], path))
                        return true;
        for (size_t size; *path != '\0'; path += size + (path[size] == '/')) {
                size = strcspn(path, "/");
                if (is_fsck_name(path, size))
                        return true;
        }
        return false;
}

static bool path_fits_fat(const char *path) {
        for (size_t size; *path != '\0'; path += size + (path[size] == '/')) {
                char name[256 * 4];

                size = strcspn(path, "/");
                if (size >= sizeof(name))
                        return false;
                memcpy(name, path, size);
                name[size] = '\0';
                if (!relpath_name_fits_fat(name))
                        return false;
        }
        return true;
}

static int check_extra_path(const char *word, struct buf *accepted) {
        int r = append_normalized(accepted, word);
        if (r < 0)
                return r;
        if (!relpath_valid(buf_string(accepted)) || !path_fits_fat(buf_string(accepted)))
                return CONFIG_VALUE_BAD;
        return path_forbidden(buf_string(accepted)) ? CONFIG_VALUE_FORBIDDEN : 0;
}

static int set_extra_paths(struct strlist *setting, const char *value, char **ret_word) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;

        int r = read_words(&list, value, check_extra_path, ret_word);
        if (r != 0)
                return r;
        replace_list(setting, &list);
        return 0;
}

int config_value_set(struct config *config, enum config_key key, const char *value,
                     char **ret_word) {
        switch (key) {
        case CONFIG_KEY_ROOT:
                return set_root(&config->root, value, ret_word);
        case CONFIG_KEY_BIND:
                return set_bool(&config->bind, value, ret_word);
        case CONFIG_KEY_BIND_TIMEOUT:
                return set_span(&config->bind_timeout, value, 0, USEC_PER_HOUR, ret_word);
        case CONFIG_KEY_FILE_SYSTEMS:
                return set_file_systems(&config->file_systems, value, ret_word);
        case CONFIG_KEY_ENTRY_TOKEN:
                return set_entry_token(config, value, ret_word);
        case CONFIG_KEY_DEBOUNCE:
                return set_span(&config->debounce, value, 0, USEC_PER_HOUR, ret_word);
        case CONFIG_KEY_MAX_DELAY:
                return set_span(&config->max_delay, value, 100 * USEC_PER_MSEC, USEC_PER_DAY,
                                ret_word);
        case CONFIG_KEY_RESCAN_INTERVAL:
                return set_interval(&config->rescan_interval, value, ret_word);
        case CONFIG_KEY_EXTRA_PATHS:
                return set_extra_paths(&config->extra_paths, value, ret_word);
        case CONFIG_KEY_AFTER_COPY:
                return set_bool(&config->after_copy, value, ret_word);
        case CONFIG_KEY_LEVEL:
                return set_level(&config->level, value, ret_word);
        case CONFIG_KEY_COUNT:
                break;
        }
        return refuse(value, CONFIG_VALUE_BAD, ret_word);
}
