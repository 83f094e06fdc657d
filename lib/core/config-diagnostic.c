/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is wrong, as values: which problem, where, and the text that offends. Words for them are
 * found by the daemon alone.
 */
#include "core/config-internal.h"

#include <errno.h>
#include <string.h>

static void diagnostic_done(struct config_diagnostic *diagnostic) {
        free(diagnostic->file);
        free(diagnostic->section);
        free(diagnostic->key);
        free(diagnostic->value);
}

void config_diagnostics_done(struct config_diagnostics *diagnostics) {
        for (size_t i = 0; i < diagnostics->n; i++)
                diagnostic_done(&diagnostics->items[i]);
        free(diagnostics->items);
        *diagnostics = CONFIG_DIAGNOSTICS_INIT;
}

bool config_problem_is_error(enum config_problem problem) {
        switch (problem) {
        case CONFIG_UNKNOWN_SECTION:
        case CONFIG_UNKNOWN_KEY:
        case CONFIG_NO_SECTION:
                return false;
        case CONFIG_BAD_VALUE:
        case CONFIG_DUPLICATE_KEY:
        case CONFIG_BAD_LINE:
        case CONFIG_LONG_LINE:
        case CONFIG_NUL_BYTE:
        case CONFIG_FORBIDDEN_EXTRA:
        case CONFIG_DELAY_ORDER:
                return true;
        }
        return true;
}

static int diagnostics_reserve_one(struct config_diagnostics *diagnostics) {
        if (diagnostics->n < diagnostics->room)
                return 0;

        size_t room = diagnostics->room > 0 ? diagnostics->room * 2 : 8;
        struct config_diagnostic *items =
                reallocarray(diagnostics->items, room, sizeof(*diagnostics->items));
        if (!items)
                return -ENOMEM;
        diagnostics->items = items;
        diagnostics->room = room;
        return 0;
}

static char *copy_text(const char *text) {
        return strdup(text ? text : "");
}

int config_diagnostics_add(struct config_diagnostics *diagnostics,
                           const struct config_finding *finding) {
        int r = diagnostics_reserve_one(diagnostics);
        if (r < 0)
                return r;

        struct config_diagnostic made = {
                .problem = finding->problem,
                .file = copy_text(finding->file),
                .line = finding->line,
                .section = copy_text(finding->section),
                .key = copy_text(finding->key),
                .value = copy_text(finding->value),
                .allowed = finding->allowed,
                .other_line = finding->other_line,
        };
        if (!made.file || !made.section || !made.key || !made.value) {
                diagnostic_done(&made);
                return -ENOMEM;
        }
        diagnostics->items[diagnostics->n++] = made;
        return 0;
}
