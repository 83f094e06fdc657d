/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of findings. The hundreds of a guard's numbers are the guard.
 */
#include "core/finding.h"

#include <errno.h>
#include <string.h>

#define FIRST_FILE_FINDING 2000

static void finding_done(struct finding *finding) {
        free(finding->path);
        free(finding->other);
}

void findings_done(struct findings *findings) {
        for (size_t i = 0; i < findings->n; i++)
                finding_done(&findings->items[i]);
        free(findings->items);
        *findings = FINDINGS_INIT;
}

int findings_add(struct findings *findings, enum finding_kind kind, const char *path,
                 const char *other, uint64_t number, int error) {
        struct finding made = { .kind = kind, .number = number, .error = error };

        if (findings->n == findings->room) {
                size_t room = findings->room ? findings->room * 2 : 8;
                struct finding *items = reallocarray(findings->items, room, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                findings->items = items;
                findings->room = room;
        }
        made.path = strdup(path ? path : "");
        made.other = strdup(other ? other : "");
        if (!made.path || !made.other) {
                finding_done(&made);
                return -ENOMEM;
        }
        findings->items[findings->n++] = made;
        return 0;
}

unsigned finding_guard(enum finding_kind kind) {
        return kind < FIRST_FILE_FINDING ? (unsigned) kind / 100 : 0;
}

bool finding_is_of_source(enum finding_kind kind) {
        unsigned guard = finding_guard(kind);

        return (guard >= 1 && guard <= 7) || kind == FINDING_SOURCE_NOT_BOOTABLE ||
               kind == FINDING_ENTRY_INCOMPLETE || kind == FINDING_ENTRY_OUTSIDE ||
               kind == FINDING_ENTRY_NO_KERNEL || kind == FINDING_BUSY ||
               kind == FINDING_SOURCE_ERROR;
}
