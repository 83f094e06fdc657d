/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of strings that it owns.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

struct strlist {
        char **items;
        size_t n;
        size_t room;
};

#define STRLIST_INIT ((struct strlist){ 0 })

/* Frees all strings. The list is empty and usable again. */
void strlist_done(struct strlist *list);
#define _cleanup_strlist_ _cleanup_(strlist_done)

/* Appends a copy of size bytes of text. 0 or -ENOMEM. */
_must_check_ int strlist_add_n(struct strlist *list, const char *text, size_t size);
_must_check_ int strlist_add(struct strlist *list, const char *text);

/* Appends the words of text, which blanks separate. 0 or -ENOMEM. */
_must_check_ int strlist_add_words(struct strlist *list, const char *text);

bool strlist_contains(const struct strlist *list, const char *text);

/* Replaces to by a copy of from. 0, or -ENOMEM with to unchanged. */
_must_check_ int strlist_copy(struct strlist *to, const struct strlist *from);

/* Byte order. */
void strlist_sort(struct strlist *list);
