/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An array that doubles. The lists are short (words of a setting, files of an entry), so looking
 * for a string goes through all of them.
 */
#include "base/strlist.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define BLANKS " \t\r\n\v\f"

void strlist_done(struct strlist *list) {
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i]);
        free(list->items);
        *list = STRLIST_INIT;
}

static int strlist_reserve_one(struct strlist *list) {
        if (list->n < list->room)
                return 0;

        size_t room = list->room > 0 ? list->room * 2 : 8;
        char **items = reallocarray(list->items, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        list->items = items;
        list->room = room;
        return 0;
}

int strlist_add_n(struct strlist *list, const char *text, size_t size) {
        int r = strlist_reserve_one(list);
        if (r < 0)
                return r;

        char *copy = strndup(text, size);
        if (!copy)
                return -ENOMEM;
        list->items[list->n++] = copy;
        return 0;
}

int strlist_add(struct strlist *list, const char *text) {
        return strlist_add_n(list, text, strlen(text));
}

int strlist_add_words(struct strlist *list, const char *text) {
        for (text += strspn(text, BLANKS); *text != '\0'; text += strspn(text, BLANKS)) {
                size_t size = strcspn(text, BLANKS);

                int r = strlist_add_n(list, text, size);
                if (r < 0)
                        return r;
                text += size;
        }
        return 0;
}

bool strlist_contains(const struct strlist *list, const char *text) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i], text) == 0)
                        return true;
        return false;
}

int strlist_copy(struct strlist *to, const struct strlist *from) {
        _cleanup_strlist_ struct strlist copy = STRLIST_INIT;

        for (size_t i = 0; i < from->n; i++) {
                int r = strlist_add(&copy, from->items[i]);
                if (r < 0)
                        return r;
        }

        struct strlist old = *to;
        *to = copy;
        copy = old; /* released on the way out */
        return 0;
}

static int compare_items(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

void strlist_sort(struct strlist *list) {
        if (list->n > 1)
                qsort(list->items, list->n, sizeof(*list->items), compare_items);
}
