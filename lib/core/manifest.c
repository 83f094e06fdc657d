/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sorted array: found by halving, merged in one pass. A walk delivers paths in order, so adding
 * is appending; an update of one path moves what lies behind it, which costs less than a tree of
 * pointers as long as an ESP holds thousands of files and not millions.
 */
#include "core/manifest.h"

#include "base/relpath.h"

#include <errno.h>
#include <string.h>

static void item_done(struct item *item) {
        if (item->key != item->path)
                free(item->key);
        free(item->path);
        strlist_done(&item->refs);
        *item = (struct item){ 0 };
}

static void item_donep(struct item *item) {
        item_done(item);
}

#define _cleanup_item_ _cleanup_(item_donep)

void manifest_done(struct manifest *manifest) {
        for (size_t i = 0; i < manifest->n; i++)
                item_done(&manifest->items[i]);
        free(manifest->items);
        *manifest = MANIFEST_INIT;
}

static int item_order(const struct item *item, const char *key, const char *path) {
        int order = relpath_compare(item->key, key);

        return order != 0 ? order : relpath_compare(item->path, path);
}

/* The index of the first item that is not before (key, path). A NULL path is before all others. */
static size_t lower_bound(const struct manifest *manifest, const char *key, const char *path) {
        size_t low = 0, high = manifest->n;

        /* A walk appends in order: look at the end first. */
        if (high > 0 && item_order(&manifest->items[high - 1], key, path) < 0)
                return high;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (item_order(&manifest->items[middle], key, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

size_t manifest_lower_bound(const struct manifest *manifest, const char *key) {
        return lower_bound(manifest, key, "");
}

static int make_room(struct manifest *manifest) {
        struct item *items;
        size_t room;

        if (manifest->n < manifest->room)
                return 0;
        room = manifest->room ? manifest->room * 2 : 16;
        items = reallocarray(manifest->items, room, sizeof(*items));
        if (!items)
                return -ENOMEM;
        manifest->items = items;
        manifest->room = room;
        return 0;
}

/* Puts the item in its place; on success it belongs to the manifest, and *item is empty. */
static int insert(struct manifest *manifest, struct item *item) {
        size_t at = lower_bound(manifest, item->key, item->path);
        int r;

        if (at < manifest->n && item_order(&manifest->items[at], item->key, item->path) == 0) {
                item_done(&manifest->items[at]);
        } else {
                r = make_room(manifest);
                if (r < 0)
                        return r;
                memmove(&manifest->items[at + 1], &manifest->items[at],
                        (manifest->n - at) * sizeof(struct item));
                manifest->n++;
        }
        manifest->items[at] = *item;
        *item = (struct item){ 0 };
        return 0;
}

static int set_identity(struct item *item) {
        if (!item_is_entry(item)) {
                item->key = item->path;
                return 0;
        }
        item->counter = entry_counter(item->path);
        item->key = item->counter.present ? entry_identity(item->path) : item->path;
        return item->key ? 0 : -ENOMEM;
}

int manifest_set(struct manifest *manifest, const char *path, enum scope_class class,
                 const struct manifest_stat *st, const char *text, size_t text_size) {
        _cleanup_item_ struct item item = {
                .type = st->type,
                .class = class,
                .size = st->size,
                .mtime = st->mtime,
                .startable = class == SCOPE_UKI,
        };
        int r;

        item.path = strdup(path);
        if (!item.path)
                return -ENOMEM;
        r = set_identity(&item);
        if (r < 0)
                return r;

        if (class == SCOPE_ENTRY && text) {
                r = entry_refs(text, text_size, &item.refs);
                if (r < 0)
                        return r;
                item.startable = r == 0;
        }
        return insert(manifest, &item);
}

int manifest_set_item(struct manifest *manifest, const struct item *item) {
        _cleanup_item_ struct item copy = *item;
        int r;

        copy.path = copy.key = NULL;
        copy.refs = STRLIST_INIT;
        copy.path = strdup(item->path);
        if (!copy.path)
                return -ENOMEM;
        r = set_identity(&copy);
        if (r < 0)
                return r;
        r = strlist_copy(&copy.refs, &item->refs);
        if (r < 0)
                return r;
        return insert(manifest, &copy);
}

static void remove_range(struct manifest *manifest, size_t from, size_t to) {
        if (from == to)
                return; /* an empty manifest has no array to move */
        for (size_t i = from; i < to; i++)
                item_done(&manifest->items[i]);
        memmove(&manifest->items[from], &manifest->items[to],
                (manifest->n - to) * sizeof(struct item));
        manifest->n -= to - from;
}

/* What is below a path follows it without a gap, as '/' sorts first; but a counted form stands
 * under its key, elsewhere. */
void manifest_drop(struct manifest *manifest, const char *path) {
        struct entry_counter counter = entry_counter(path);
        _cleanup_free_ char *key = counter.present ? entry_identity(path) : NULL;
        size_t from, to;

        if (key) {
                from = lower_bound(manifest, key, path);
                if (from < manifest->n && relpath_equal(manifest->items[from].path, path))
                        remove_range(manifest, from, from + 1);
        }

        from = to = lower_bound(manifest, path, "");
        while (to < manifest->n && relpath_below(manifest->items[to].key, path)) {
                /* another form of the entry has this key, but not this path */
                if (!relpath_below(manifest->items[to].path, path)) {
                        remove_range(manifest, from, to);
                        from++;
                        to = from;
                        continue;
                }
                to++;
        }
        remove_range(manifest, from, to);
}

const struct item *manifest_find(const struct manifest *manifest, const char *path) {
        struct entry_counter counter = entry_counter(path);
        _cleanup_free_ char *key = counter.present ? entry_identity(path) : NULL;
        size_t at = lower_bound(manifest, path, path);

        if (at < manifest->n && relpath_equal(manifest->items[at].path, path))
                return &manifest->items[at];
        if (!key)
                return NULL;
        at = lower_bound(manifest, key, path);
        if (at < manifest->n && relpath_equal(manifest->items[at].path, path))
                return &manifest->items[at];
        return NULL;
}

const struct item *manifest_forms(const struct manifest *manifest, const char *key, size_t *ret_n) {
        size_t at = manifest_lower_bound(manifest, key), n = 0;

        while (at + n < manifest->n && relpath_equal(manifest->items[at + n].key, key))
                n++;
        if (ret_n)
                *ret_n = n;
        return n > 0 ? &manifest->items[at] : NULL;
}

const struct item *item_best_form(const struct item *forms, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!forms[i].counter.present)
                        return &forms[i];
        return &forms[0];
}
