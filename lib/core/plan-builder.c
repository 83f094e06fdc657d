/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The questions that the decisions ask of one another: what is put, what goes, and what could be
 * booted then.
 */
#include "core/plan-builder.h"

#include "base/relpath.h"
#include "core/guard.h"

#include <errno.h>
#include <strings.h>

void builder_done(struct builder *b) {
        free(b->when);
        free(b->change_of);
        free(b->put);
        plan_done(&b->plan);
}

int builder_init(struct builder *b, const struct plan_input *in, struct findings *findings) {
        size_t n = in->target->n;

        *b = (struct builder){ .in = in, .findings = findings };
        b->when = calloc(n + 1, sizeof(*b->when));
        b->change_of = calloc(n + 1, sizeof(const struct change *));
        b->put = calloc(in->diff->n + 1, sizeof(*b->put));
        if (!b->when || !b->change_of || !b->put)
                return -ENOMEM;
        for (size_t i = 0; i < in->diff->n; i++)
                for (size_t k = 0; k < in->diff->changes[i].n_forms; k++)
                        b->change_of[target_index(b, &in->diff->changes[i].forms[k])] =
                                &in->diff->changes[i];
        return 0;
}

int builder_report(struct builder *b, enum finding_kind kind, const char *path, const char *other) {
        return findings_add(b->findings, kind, path, other, 0, 0);
}

const struct change *builder_find_change(const struct builder *b, const char *key) {
        size_t low = 0, high = b->in->diff->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = relpath_compare(b->in->diff->changes[middle].key, key);

                if (order == 0)
                        return &b->in->diff->changes[middle];
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

bool builder_is_put(const struct builder *b, const struct change *change) {
        return change && b->put[change - b->in->diff->changes];
}

bool builder_is_running(const struct builder *b, const struct item *item) {
        char version[SCOPE_VERSION_SIZE];

        return b->in->running[0] && scope_version(b->in->scope, item->key, version) &&
               strcasecmp(version, b->in->running) == 0;
}

/* The entry's text on the target will be another one: what the old text names does not matter. */
bool builder_is_rewritten(const struct builder *b, size_t index) {
        const struct change *change = b->change_of[index];

        return builder_is_put(b, change) && change->kind != CHANGE_RENAME;
}

/* Whether the target's file at path is there when the plan is done. */
static bool file_will_be(const struct builder *b, const char *path) {
        const struct change *change = builder_find_change(b, path);
        const struct item *item = manifest_find(b->in->target, path);

        if (builder_is_put(b, change))
                return change->source->type == ITEM_FILE && change->source->size > 0;
        return item && item->type == ITEM_FILE && item->size > 0 &&
               b->when[target_index(b, item)] == REMOVE_NEVER;
}

/* Whether a target's entry, with the text that it has now, is complete when the plan is done. */
static bool will_be_complete(const struct builder *b, const struct item *entry) {
        if (b->when[target_index(b, entry)] != REMOVE_NEVER || !entry->startable ||
            entry->size == 0)
                return false;
        for (size_t i = 0; i < entry->refs.n; i++)
                if (!file_will_be(b, entry->refs.items[i]))
                        return false;
        return true;
}

/* Whether a target's entry is complete now, and the removals leave it. What it names is left then,
 * too: a removal takes the entries that name a file first, or waits until they have a new text. */
static bool stays_complete(const struct builder *b, const struct item *entry) {
        return b->when[target_index(b, entry)] == REMOVE_NEVER &&
               guard_entry_complete(b->in->target, entry, NULL);
}

/* What lies outside of the scope cannot be seen: it is taken to be there. */
static bool may_be_complete(const struct builder *b, const struct item *entry) {
        if (!entry->startable || entry->size == 0)
                return false;
        for (size_t i = 0; i < entry->refs.n; i++) {
                const char *path = entry->refs.items[i];
                const struct item *named = manifest_find(b->in->target, path);

                if (scope_classify(b->in->scope, path, false) != SCOPE_OUTSIDE &&
                    (!named || named->type != ITEM_FILE || named->size == 0))
                        return false;
        }
        return true;
}

size_t builder_count_complete_now(const struct builder *b) {
        size_t count = 0;

        for (size_t i = 0; i < b->in->target->n; i++)
                count += item_is_entry(&b->in->target->items[i]) &&
                         may_be_complete(b, &b->in->target->items[i]);
        return count;
}

size_t builder_count_complete_left(const struct builder *b) {
        size_t count = 0;

        for (size_t i = 0; i < b->in->target->n; i++)
                count += item_is_entry(&b->in->target->items[i]) &&
                         stays_complete(b, &b->in->target->items[i]);
        return count;
}

size_t builder_count_complete_after(const struct builder *b) {
        size_t count = 0;

        for (size_t i = 0; i < b->in->target->n; i++)
                count += item_is_entry(&b->in->target->items[i]) && !builder_is_rewritten(b, i) &&
                         will_be_complete(b, &b->in->target->items[i]);
        for (size_t i = 0; i < b->in->diff->n; i++)
                count += b->put[i] && item_is_entry(b->in->diff->changes[i].source);
        return count;
}

bool builder_is_vouched(const struct builder *b, const struct item *item) {
        return b->in->vouched && (pathset_contains(b->in->vouched, item->path) ||
                                  pathset_contains(b->in->vouched, ""));
}

bool builder_was_seen(const struct builder *b, const struct item *item) {
        return builder_is_vouched(b, item) || witness_saw(b->in->witness, item->key) ||
               guard_version_gone(b->in->scope, item->key, b->in->modules);
}
