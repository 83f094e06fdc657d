/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings as text, in the order of bootsync.conf(5), every value spelled as it would be read
 * back. The text is made apart and appended last, so that a failure leaves the buffer as it was.
 */
#include "base/timespan.h"
#include "core/config-internal.h"

#include <string.h>

const char *config_level_name(enum config_level level) {
        switch (level) {
        case CONFIG_LEVEL_ERR:
                return "err";
        case CONFIG_LEVEL_WARNING:
                return "warning";
        case CONFIG_LEVEL_NOTICE:
                return "notice";
        case CONFIG_LEVEL_INFO:
                return "info";
        case CONFIG_LEVEL_DEBUG:
                return "debug";
        }
        return "";
}

static int append_list(struct buf *buf, const struct strlist *list) {
        for (size_t i = 0; i < list->n; i++) {
                int r = buf_appendf(buf, "%s%s", i > 0 ? " " : "", list->items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int append_bool(struct buf *buf, bool value) {
        return buf_append_string(buf, value ? "yes" : "no");
}

static int append_tokens(struct buf *buf, const struct config *config) {
        if (config->entry_token_auto)
                return buf_append_string(buf, "auto");
        return append_list(buf, &config->entry_tokens);
}

static int append_value(struct buf *buf, const struct config *config, enum config_key key) {
        switch (key) {
        case CONFIG_KEY_ROOT:
                return buf_append_string(buf, config->root);
        case CONFIG_KEY_BIND:
                return append_bool(buf, config->bind);
        case CONFIG_KEY_BIND_TIMEOUT:
                return timespan_format(buf, config->bind_timeout);
        case CONFIG_KEY_FILE_SYSTEMS:
                return append_list(buf, &config->file_systems);
        case CONFIG_KEY_ENTRY_TOKEN:
                return append_tokens(buf, config);
        case CONFIG_KEY_DEBOUNCE:
                return timespan_format(buf, config->debounce);
        case CONFIG_KEY_MAX_DELAY:
                return timespan_format(buf, config->max_delay);
        case CONFIG_KEY_RESCAN_INTERVAL:
                return timespan_format(buf, config->rescan_interval);
        case CONFIG_KEY_EXTRA_PATHS:
                return append_list(buf, &config->extra_paths);
        case CONFIG_KEY_AFTER_COPY:
                return append_bool(buf, config->after_copy);
        case CONFIG_KEY_LEVEL:
                return buf_append_string(buf, config_level_name(config->level));
        case CONFIG_KEY_COUNT:
                break;
        }
        return 0;
}

int config_format(struct buf *buf, const struct config *config) {
        _cleanup_buf_ struct buf text = BUF_INIT;
        const char *section = NULL;

        for (enum config_key key = CONFIG_KEY_ROOT; key < CONFIG_KEY_COUNT; key++) {
                int r = 0;

                if (!section || strcmp(section, config_key_section(key)) != 0) {
                        r = buf_appendf(&text, "%s[%s]\n", section ? "\n" : "",
                                        config_key_section(key));
                        section = config_key_section(key);
                }
                if (r >= 0)
                        r = buf_appendf(&text, "%s=", config_key_name(key));
                if (r >= 0)
                        r = append_value(&text, config, key);
                if (r >= 0)
                        r = buf_append(&text, "\n", 1);
                if (r < 0)
                        return r;
        }
        return buf_append(buf, buf_string(&text), text.size);
}
