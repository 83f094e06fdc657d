/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order that keeps the promise at every step:
 *
 *   own leftovers away
 *   what is in the way away:   entries, then UKIs, then files, then directories, children first
 *   to make room, if needed:   stale entries, then UKIs, then files, then directories
 *   directories made, parents first
 *   payload put
 *   entries and UKIs put, each followed by the removal of its other forms
 *   stale entries away, stale payload away, empty directories away, children first
 */
#include "core/plan-builder.h"

#include "base/relpath.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Takes over path. */
static int add_step(struct builder *b, enum step_kind kind, char *path, const struct change *change,
                    bool entry) {
        struct plan *plan = &b->plan;

        if (!path)
                return -ENOMEM;
        if (plan->n == plan->room) {
                size_t room = plan->room ? plan->room * 2 : 16;
                struct step *steps = reallocarray(plan->steps, room, sizeof(*steps));

                if (!steps) {
                        free(path);
                        return -ENOMEM;
                }
                plan->steps = steps;
                plan->room = room;
        }
        plan->steps[plan->n++] =
                (struct step){ .kind = kind, .path = path, .change = change, .entry = entry };
        return 0;
}

int plan_order_leftovers(struct builder *b) {
        int r = 0;

        plan_done(&b->plan);
        for (size_t i = 0; i < b->in->target->n && r == 0; i++)
                if (b->in->target->items[i].class == SCOPE_LEFTOVER)
                        r = add_step(b, STEP_UNLINK, strdup(b->in->target->items[i].path), NULL,
                                     false);
        return r;
}

/* Entries first; UKIs next, as entries may name them; then all else that is no directory. Leftovers
 * have gone before. */
static unsigned removal_turn(const struct item *item) {
        if (item->type == ITEM_DIR || item->class == SCOPE_LEFTOVER)
                return UINT_MAX;
        if (!item_is_entry(item))
                return 2;
        return item->class == SCOPE_UKI ? 1 : 0;
}

static int order_removals(struct builder *b, enum plan_removal when) {
        const struct manifest *target = b->in->target;
        int r = 0;

        for (unsigned turn = 0; turn < 3; turn++)
                for (size_t i = 0; i < target->n && r == 0; i++)
                        if (b->when[i] == when && removal_turn(&target->items[i]) == turn)
                                r = add_step(b, STEP_UNLINK, strdup(target->items[i].path), NULL,
                                             turn < 2);
        for (size_t i = target->n; i > 0 && r == 0; i--)
                if (b->when[i - 1] == when && target->items[i - 1].type == ITEM_DIR)
                        r = add_step(b, STEP_RMDIR, strdup(target->items[i - 1].path), NULL, false);
        return r;
}

/* Whether the directory dir will be there without our making it (again). */
static bool has_directory(const struct builder *b, const char *dir) {
        const struct item *item = manifest_find(b->in->target, dir);

        if (dir[0] == '\0')
                return true;
        return item && item->type == ITEM_DIR && b->when[target_index(b, item)] == REMOVE_NEVER;
}

/* Changes come in order, so a directory that was made for one path is the last one made or a
 * parent of it: looking at the made ones from the end is short. */
static bool was_made(const struct builder *b, const char *dir) {
        for (size_t i = b->plan.n; i > 0; i--)
                if (b->plan.steps[i - 1].kind == STEP_MKDIR &&
                    relpath_equal(b->plan.steps[i - 1].path, dir))
                        return true;
        return false;
}

/* Makes path's first length bytes a directory, parents first. */
static int order_directory(struct builder *b, const char *path, size_t length) {
        _cleanup_free_ char *dir = strndup(path, length);
        int r;

        if (!dir)
                return -ENOMEM;
        if (has_directory(b, dir) || was_made(b, dir))
                return 0;
        r = order_directory(b, dir, relpath_dir_length(dir));
        return r < 0 ? r : add_step(b, STEP_MKDIR, steal_ptr(dir), NULL, false);
}

static int order_directories(struct builder *b) {
        int r = 0;

        for (size_t i = 0; i < b->in->diff->n && r == 0; i++) {
                const struct item *source = b->in->diff->changes[i].source;

                if (!b->put[i])
                        continue;
                r = order_directory(b, source->path,
                                    source->type == ITEM_DIR ? strlen(source->path)
                                                             : relpath_dir_length(source->path));
        }
        return r;
}

static int order_surplus_forms(struct builder *b, const struct change *change, const char *path) {
        int r = 0;

        for (size_t i = 0; i < change->n_forms && r == 0; i++) {
                const struct item *form = &change->forms[i];

                if (!relpath_equal(form->path, path) &&
                    b->when[target_index(b, form)] == REMOVE_NEVER)
                        r = add_step(b, STEP_UNLINK, strdup(form->path), change, true);
        }
        return r;
}

static int order_put(struct builder *b, const struct change *change) {
        _cleanup_free_ char *path = diff_target_path(change);
        bool entry = item_is_entry(change->source);
        bool there;
        int r = 0;

        if (!path)
                return -ENOMEM;
        there = change->kind == CHANGE_RENAME && relpath_equal(change->target->path, path);
        if (!there) {
                r = add_step(b, STEP_PUT, strdup(path), change, entry);
                b->plan.bytes += change->source->size;
        }
        return r == 0 && entry ? order_surplus_forms(b, change, path) : r;
}

static int order_puts(struct builder *b, bool entries) {
        int r = 0;

        for (size_t i = 0; i < b->in->diff->n && r == 0; i++) {
                const struct change *change = &b->in->diff->changes[i];

                if (b->put[i] && change->source->type == ITEM_FILE &&
                    item_is_entry(change->source) == entries)
                        r = order_put(b, change);
        }
        return r;
}

static int64_t in_clusters(const struct builder *b, uint64_t size) {
        uint64_t cluster = b->in->cluster ? b->in->cluster : 1;

        return (int64_t) ((size + cluster - 1) / cluster * cluster);
}

static int64_t size_on_target(const struct builder *b, const char *path) {
        const struct item *item = manifest_find(b->in->target, path);

        return item ? in_clusters(b, item->type == ITEM_DIR ? 1 : item->size) : 0;
}

/* What a put gives back: nothing if the old file has gone before. */
static int64_t size_replaced(const struct builder *b, const char *path) {
        const struct item *item = manifest_find(b->in->target, path);

        return item && b->when[target_index(b, item)] == REMOVE_NEVER ? size_on_target(b, path) : 0;
}

/* A new file needs its clusters, and perhaps one for its name, before the one that it replaces
 * gives back its own. */
static uint64_t count_missing(const struct builder *b) {
        int64_t free = (int64_t) b->in->free, lowest = free;

        for (size_t i = 0; i < b->plan.n; i++) {
                const struct step *step = &b->plan.steps[i];
                int64_t freed = 0;

                switch (step->kind) {
                case STEP_UNLINK:
                case STEP_RMDIR:
                        freed = size_on_target(b, step->path);
                        break;
                case STEP_MKDIR:
                        free -= in_clusters(b, 1) * 2;
                        break;
                case STEP_PUT:
                        free -= in_clusters(b, step->change->source->size) + in_clusters(b, 1);
                        freed = size_replaced(b, step->path);
                        break;
                }
                lowest = free < lowest ? free : lowest;
                free += freed;
        }
        return lowest < 0 ? (uint64_t) -lowest : 0;
}

int plan_order(struct builder *b, uint64_t *ret_missing) {
        int r;

        r = plan_order_leftovers(b);
        if (r == 0)
                r = order_removals(b, REMOVE_EARLY);
        if (r == 0)
                r = order_removals(b, REMOVE_FIRST);
        if (r == 0)
                r = order_directories(b);
        if (r == 0)
                r = order_puts(b, false);
        if (r == 0)
                r = order_puts(b, true);
        if (r == 0)
                r = order_removals(b, REMOVE_LATE);
        if (r < 0)
                return r;
        *ret_missing = count_missing(b);
        return 0;
}
