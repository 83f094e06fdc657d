/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lies at and below a path is one run of a manifest, and so is its replacement: one move of the
 * tail, or none if both are of one length, instead of one for each item.
 */
#include "os/tree-splice.h"

#include "base/relpath.h"

#include <errno.h>
#include <string.h>

/* The run of items at and below path: *ret_from up to *ret_to, which may be empty. */
static void splice_range(const struct manifest *manifest, const char *path, size_t *ret_from,
                         size_t *ret_to) {
        const struct item *item = manifest_find(manifest, path);
        size_t from, to;

        /* a counted form stands elsewhere than its path would, and has nothing below it */
        if (item && item->key != item->path) {
                *ret_from = (size_t) (item - manifest->items);
                *ret_to = *ret_from + 1;
                return;
        }
        from = manifest_lower_bound(manifest, path);
        while (from < manifest->n && relpath_equal(manifest->items[from].key, path) &&
               !relpath_equal(manifest->items[from].path, path))
                from++;
        to = from;
        while (to < manifest->n && relpath_below(manifest->items[to].path, path))
                to++;
        *ret_from = from;
        *ret_to = to;
}

/* Where an item belongs. */
static size_t splice_position(const struct manifest *manifest, const struct item *item) {
        size_t at = manifest_lower_bound(manifest, item->key);

        while (at < manifest->n && relpath_equal(manifest->items[at].key, item->key) &&
               relpath_compare(manifest->items[at].path, item->path) < 0)
                at++;
        return at;
}

static int splice_reserve(struct manifest *manifest, size_t n) {
        struct item *items;

        if (n <= manifest->room)
                return 0;
        n += manifest->n / 8; /* some more, so that not every new item costs a new array */
        items = reallocarray(manifest->items, n, sizeof(*items));
        if (!items)
                return -ENOMEM;
        manifest->items = items;
        manifest->room = n;
        return 0;
}

/* The thing at path turned from a counted entry into something else, or the reverse: the old and
 * the new place differ. */
static int splice_moved(struct manifest *manifest, const char *path, struct manifest *fresh) {
        int r = 0;

        manifest_drop(manifest, path);
        for (size_t i = 0; r == 0 && i < fresh->n; i++)
                r = manifest_set_item(manifest, &fresh->items[i]);
        manifest_done(fresh);
        return r;
}

/* Everything is new: the arrays change hands. */
static int splice_whole(struct manifest *manifest, struct manifest *fresh) {
        struct manifest old = *manifest;

        *manifest = *fresh;
        *fresh = MANIFEST_INIT;
        manifest_done(&old);
        return 0;
}

int tree_splice(struct manifest *manifest, const char *path, struct manifest *fresh) {
        _cleanup_manifest_ struct manifest gone = MANIFEST_INIT;
        size_t from, to, tail, at;

        splice_range(manifest, path, &from, &to);
        tail = manifest->n - to;
        if (from == 0 && tail == 0)
                return splice_whole(manifest, fresh);
        at = fresh->n > 0 ? splice_position(manifest, &fresh->items[0]) : from;
        if (at < from || at > to)
                return splice_moved(manifest, path, fresh);
        if (splice_reserve(manifest, from + fresh->n + tail) < 0 ||
            splice_reserve(&gone, to - from) < 0)
                return -ENOMEM;
        if (!manifest->items) /* there is nothing, and nothing comes */
                return 0;

        if (gone.items)
                memcpy(gone.items, &manifest->items[from], (to - from) * sizeof(struct item));
        gone.n = to - from;
        if (fresh->n != gone.n && tail > 0)
                memmove(&manifest->items[from + fresh->n], &manifest->items[to],
                        tail * sizeof(struct item));
        if (fresh->n > 0)
                memcpy(&manifest->items[from], fresh->items, fresh->n * sizeof(struct item));
        manifest->n = from + fresh->n + tail;
        fresh->n = 0;
        manifest_done(fresh);
        return 0;
}
