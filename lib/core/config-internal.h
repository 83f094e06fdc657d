/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What config.c, config-value.c and config-diagnostic.c share; for no other file.
 */
#pragma once

#include "base/attr.h"
#include "core/config.h"

/* The name of a level as the configuration spells it. */
const char *config_level_name(enum config_level level);

/* In the order of bootsync.conf(5). */
enum config_key {
        CONFIG_KEY_ROOT,
        CONFIG_KEY_BIND,
        CONFIG_KEY_BIND_TIMEOUT,
        CONFIG_KEY_FILE_SYSTEMS,
        CONFIG_KEY_ENTRY_TOKEN,
        CONFIG_KEY_DEBOUNCE,
        CONFIG_KEY_MAX_DELAY,
        CONFIG_KEY_RESCAN_INTERVAL,
        CONFIG_KEY_EXTRA_PATHS,
        CONFIG_KEY_AFTER_COPY,
        CONFIG_KEY_LEVEL,
        CONFIG_KEY_COUNT, /* also: no such key */
};

enum config_value_outcome {
        CONFIG_VALUE_BAD = 1,   /* not what the key takes */
        CONFIG_VALUE_FORBIDDEN, /* a path that is never mirrored */
};

bool config_section_known(const char *section);

/* CONFIG_KEY_COUNT if the section has no such key. */
enum config_key config_key_find(const char *section, const char *name);
const char *config_key_section(enum config_key key);
const char *config_key_name(enum config_key key);

/* What the key takes, in plain words. */
const char *config_key_allowed(enum config_key key, enum config_value_outcome outcome);

/*
 * Reads one value into its setting. On an outcome the setting is as it was, and *ret_word holds
 * the word that offends (the whole value where it is one), for the caller to free. Or -ENOMEM.
 */
_must_check_ int config_value_set(struct config *config, enum config_key key, const char *value,
                                  char **ret_word);

/* A diagnostic to be: its texts are borrowed, and NULL stands for "". */
struct config_finding {
        enum config_problem problem;
        const char *file;
        unsigned line;
        const char *section;
        const char *key;
        const char *value;
        const char *allowed;
        unsigned other_line;
};

/* Appends a copy. 0 or -ENOMEM. */
_must_check_ int config_diagnostics_add(struct config_diagnostics *diagnostics,
                                        const struct config_finding *finding);
