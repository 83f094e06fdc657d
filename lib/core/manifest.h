/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is on one ESP, as far as it is in scope: a sorted list of items.
 *
 * An item's key is its identity: the path, for an entry or UKI without its boot counter. Several
 * forms of one entry (foo.conf, foo+2-1.conf) share a key and stand side by side.
 */
#pragma once

#include "base/attr.h"
#include "base/strlist.h"
#include "core/entry.h"
#include "core/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum item_type {
        ITEM_FILE,
        ITEM_DIR,
        ITEM_OTHER, /* a link, fifo, socket, device, or a mount point: never followed or copied */
};

struct item {
        char *path; /* as the file system spells it */
        char *key;  /* the identity; the very pointer path unless there is a boot counter */
        enum item_type type;
        enum scope_class class;
        struct entry_counter counter;
        bool startable; /* entries: names a kernel. UKIs: always */
        uint64_t size;
        int64_t mtime;       /* nanoseconds since the epoch */
        struct strlist refs; /* entries: the paths they name; else empty */
};

struct manifest {
        struct item *items; /* in the order of relpath_compare() over keys, then paths */
        size_t n;
        size_t room;
};

#define MANIFEST_INIT ((struct manifest){ 0 })

void manifest_done(struct manifest *manifest);
#define _cleanup_manifest_ _cleanup_(manifest_done)

/*
 * Adds or replaces the item with this path. class and type as given; key and counter are derived
 * here. text (NULL if none) is the content of an entry, from which its references are read.
 * 0 or -ENOMEM. Appending in order is cheap, any other place costs a move of what follows.
 */
struct manifest_stat {
        enum item_type type;
        uint64_t size;
        int64_t mtime;
};
_must_check_ int manifest_set(struct manifest *manifest, const char *path, enum scope_class class,
                              const struct manifest_stat *st, const char *text, size_t text_size);

/* Adds or replaces a copy of item. 0 or -ENOMEM. */
_must_check_ int manifest_set_item(struct manifest *manifest, const struct item *item);

/* Removes path and everything below it; unknown paths are no error. */
void manifest_drop(struct manifest *manifest, const char *path);

/* The item with exactly this path (case folded), or NULL. */
const struct item *manifest_find(const struct manifest *manifest, const char *path);

/* The index of the first item whose key is not before key; manifest->n if there is none. */
size_t manifest_lower_bound(const struct manifest *manifest, const char *key);

/* The first item with this key, or NULL; *ret_n (may be NULL) says how many forms it has. */
const struct item *manifest_forms(const struct manifest *manifest, const char *key, size_t *ret_n);

/* The form that counts: the one without a counter, else the first. forms must not be empty. */
const struct item *item_best_form(const struct item *forms, size_t n);

static inline bool item_is_entry(const struct item *item) {
        return item->type == ITEM_FILE && (item->class == SCOPE_ENTRY || item->class == SCOPE_UKI);
}
