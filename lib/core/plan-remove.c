/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes: decisions 4 to 6 of plan.c.
 */
#include "core/plan-builder.h"

#include "base/relpath.h"
#include "core/guard.h"

#include <errno.h>
#include <string.h>

/* A file that an entry of the source names, and whose kernel is still installed, is not given up:
 * it is being made anew, as an initrd is for minutes. */
static bool is_awaited(const struct builder *b, const struct item *item) {
        const struct manifest *source = b->in->source;

        if (item->type != ITEM_FILE ||
            guard_version_gone(b->in->scope, item->key, b->in->modules) ||
            builder_is_vouched(b, item))
                return false;
        for (size_t i = 0; i < source->n; i++)
                for (size_t k = 0; item_is_entry(&source->items[i]) && k < source->items[i].refs.n;
                     k++)
                        if (relpath_equal(source->items[i].refs.items[k], item->path))
                                return true;
        return false;
}

static int decide(struct builder *b) {
        const char *told = NULL;
        bool doubted = b->frozen && b->clashes_stay;
        int r = 0;

        for (size_t i = 0; i < b->in->target->n && r == 0; i++) {
                const struct item *item = &b->in->target->items[i];
                bool tell = !told || !relpath_below(item->key, told);
                bool running;

                if (!b->change_of[i] || b->change_of[i]->kind != CHANGE_REMOVE ||
                    b->when[i] != REMOVE_NEVER)
                        continue;
                if (b->frozen) {
                        doubted = true;
                        continue;
                }
                running = builder_is_running(b, item);
                if (!running && is_awaited(b, item))
                        continue;
                if (!running && builder_was_seen(b, item)) {
                        b->when[i] = REMOVE_LATE;
                        continue;
                }
                if (tell)
                        r = builder_report(b, running ? FINDING_RUNNING_KERNEL : FINDING_EXTRA,
                                           item->path, NULL);
                told = tell ? item->key : told;
        }
        if (r == 0 && doubted && b->in->source_complete)
                r = builder_report(b, FINDING_SOURCE_NOT_BOOTABLE, NULL, b->in->newest);
        return r;
}

/* Whether the file at path goes. */
static bool goes(const struct builder *b, const char *path) {
        const struct item *item = manifest_find(b->in->target, path);

        return item && item->type != ITEM_DIR && b->when[target_index(b, item)] == REMOVE_LATE;
}

/* Whether the item at index is an entry that stays, with the text that it has now. */
static bool is_staying_entry(const struct builder *b, size_t index) {
        return item_is_entry(&b->in->target->items[index]) && b->when[index] == REMOVE_NEVER &&
               !builder_is_rewritten(b, index);
}

static bool may_be_retired(const struct builder *b, size_t index) {
        const struct change *change = b->change_of[index];

        return (!change || change->kind != CHANGE_REMOVE) &&
               !builder_is_running(b, &b->in->target->items[index]);
}

/* What an entry names that must stay, stays. */
static void keep_references(struct builder *b) {
        for (size_t i = 0; i < b->in->target->n; i++) {
                const struct item *entry = &b->in->target->items[i];

                if (!is_staying_entry(b, i) || may_be_retired(b, i))
                        continue;
                for (size_t k = 0; k < entry->refs.n; k++)
                        if (goes(b, entry->refs.items[k]))
                                b->when[manifest_find(b->in->target, entry->refs.items[k]) -
                                        b->in->target->items] = REMOVE_NEVER;
        }
}

/* After that: an entry that names what still goes is retired with it. */
static void retire_entries(struct builder *b) {
        for (size_t i = 0; i < b->in->target->n; i++) {
                const struct item *entry = &b->in->target->items[i];

                for (size_t k = 0; k < entry->refs.n && is_staying_entry(b, i); k++)
                        if (may_be_retired(b, i) && goes(b, entry->refs.items[k]))
                                b->when[i] = REMOVE_LATE;
        }
}

/* A directory stays with anything that stays in it. */
static void keep_parents(struct builder *b) {
        const struct manifest *target = b->in->target;

        for (size_t i = target->n; i > 0; i--) {
                const struct item *item = &target->items[i - 1], *parent;
                _cleanup_free_ char *dir = NULL;

                if (b->when[i - 1] != REMOVE_NEVER || item->class == SCOPE_LEFTOVER)
                        continue;
                dir = strndup(item->path, relpath_dir_length(item->path));
                parent = dir ? manifest_find(target, dir) : NULL;
                if (parent && b->when[target_index(b, parent)] == REMOVE_LATE)
                        b->when[target_index(b, parent)] = REMOVE_NEVER;
        }
}

static int keep_last_entry(struct builder *b) {
        bool any = false;

        for (size_t i = 0; i < b->in->target->n; i++)
                any |= b->when[i] == REMOVE_LATE;
        if (!any || builder_count_complete_now(b) == 0 || builder_count_complete_after(b) > 0)
                return 0;
        for (size_t i = 0; i < b->in->target->n; i++)
                if (b->when[i] == REMOVE_LATE)
                        b->when[i] = REMOVE_NEVER;
        return builder_report(b, FINDING_LAST_ENTRY, NULL, NULL);
}

int plan_decide_removals(struct builder *b) {
        int r;

        r = decide(b);
        if (r < 0)
                return r;
        keep_references(b);
        retire_entries(b);
        keep_parents(b);
        return keep_last_entry(b);
}
