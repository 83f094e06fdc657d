/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A merge of two sorted lists by key. Only in-scope files and directories take part: directories on
 * the way are made when something needs them, and leftovers are the plan's business.
 *
 * Left out on purpose: renames. A rename on a target is not crash-safe on FAT, so a moved file is
 * a new one and a stale one.
 */
#include "core/diff.h"

#include "base/relpath.h"

#include <errno.h>
#include <string.h>

void diff_done(struct diff *diff) {
        free(diff->changes);
        *diff = DIFF_INIT;
}

static bool takes_part(const struct item *item) {
        return item->class == SCOPE_PAYLOAD || item->class == SCOPE_ENTRY ||
               item->class == SCOPE_UKI;
}

/* The items from *at on that share a key; *at moves behind them. */
static const struct item *next_group(const struct manifest *manifest, size_t *at, size_t *ret_n) {
        const struct item *first;
        size_t n = 1;

        while (*at < manifest->n && !takes_part(&manifest->items[*at]))
                (*at)++;
        *ret_n = 0;
        if (*at >= manifest->n)
                return NULL;
        first = &manifest->items[*at];
        while (*at + n < manifest->n && takes_part(&first[n]) &&
               relpath_equal(first[n].key, first->key))
                n++;
        *ret_n = n;
        return first;
}

static int add(struct diff *diff, const struct change *change) {
        if (diff->n == diff->room) {
                size_t room = diff->room ? diff->room * 2 : 16;
                struct change *changes = reallocarray(diff->changes, room, sizeof(*changes));

                if (!changes)
                        return -ENOMEM;
                diff->changes = changes;
                diff->room = room;
        }
        diff->changes[diff->n++] = *change;
        return 0;
}

static bool record_vouches_source(const struct record *record, const struct item *item) {
        return !record->suspect && record->size == item->size &&
               record->source_mtime == item->mtime;
}

static bool record_vouches_target(const struct record *record, const struct item *item) {
        return record->size == item->size && record->target_mtime == item->mtime;
}

/* An entry whose content is right may still have the wrong name, or too many. */
static bool needs_rename(const struct change *change) {
        if (!item_is_entry(change->source))
                return false;
        if (change->n_forms > 1)
                return true;
        return !change->source->counter.present && change->target->counter.present;
}

static enum change_kind classify_files(struct change *change, const struct record *record) {
        bool source_known = record && record_vouches_source(record, change->source);
        bool target_known = record && record_vouches_target(record, change->target);

        change->drift = source_known && !target_known;
        if (change->source->size != change->target->size)
                return CHANGE_REPLACE;
        if (!source_known || !target_known)
                return CHANGE_COMPARE;
        return needs_rename(change) ? CHANGE_RENAME : CHANGE_SAME;
}

/* Both sides have the key. Returns whether there is anything to do. */
static bool classify_both(struct change *change, const struct baseline *baseline) {
        const struct record *record = baseline ? baseline_find(baseline, change->key) : NULL;

        /* What the source cannot show us is left alone on the target. */
        if (change->source->type == ITEM_OTHER)
                return false;
        if (change->source->type != change->target->type) {
                change->kind = CHANGE_CLASH;
                return true;
        }
        if (change->source->type == ITEM_DIR)
                return false;
        change->kind = classify_files(change, record);
        return change->kind != CHANGE_SAME;
}

static bool classify(struct change *change, const struct baseline *baseline) {
        if (change->source && change->target)
                return classify_both(change, baseline);
        if (change->source) {
                const struct record *record =
                        baseline ? baseline_find(baseline, change->key) : NULL;

                change->kind = CHANGE_ADD;
                change->drift = record && record_vouches_source(record, change->source);
                return change->source->type != ITEM_OTHER;
        }
        change->kind = CHANGE_REMOVE;
        return true;
}

int diff_build(const struct manifest *source, const struct manifest *target,
               const struct baseline *baseline, struct diff *ret_diff) {
        _cleanup_diff_ struct diff diff = DIFF_INIT;
        size_t at_s = 0, at_t = 0, n_s, n_t;
        const struct item *s = next_group(source, &at_s, &n_s);
        const struct item *t = next_group(target, &at_t, &n_t);

        while (s || t) {
                int order = !s ? 1 : !t ? -1 : relpath_compare(s->key, t->key), r;
                struct change change = {
                        .key = order <= 0 ? s->key : t->key,
                        .source = order <= 0 ? item_best_form(s, n_s) : NULL,
                        .target = order >= 0 ? item_best_form(t, n_t) : NULL,
                        .forms = order >= 0 ? t : NULL,
                        .n_forms = order >= 0 ? n_t : 0,
                };

                if (classify(&change, baseline)) {
                        r = add(&diff, &change);
                        if (r < 0)
                                return r;
                }
                if (order <= 0) {
                        at_s += n_s;
                        s = next_group(source, &at_s, &n_s);
                }
                if (order >= 0) {
                        at_t += n_t;
                        t = next_group(target, &at_t, &n_t);
                }
        }

        *ret_diff = diff;
        diff = DIFF_INIT;
        return 0;
}

void diff_settle(struct change *change, bool equal) {
        if (!equal) {
                change->kind = CHANGE_REPLACE;
                return;
        }
        change->drift = false;
        change->kind = needs_rename(change) ? CHANGE_RENAME : CHANGE_SAME;
}

char *diff_target_path(const struct change *change) {
        const struct item *source = change->source, *target = change->target;
        const struct entry_counter *counter;

        if (!source)
                return strdup(target->path);
        if (!item_is_entry(source))
                return strdup(target && target->type == source->type ? target->path : source->path);

        counter = &source->counter;
        if (!counter->present)
                return strdup(target && !target->counter.present ? target->path : source->path);
        if (change->kind == CHANGE_RENAME || change->kind == CHANGE_SAME) {
                if (!target->counter.present || change->n_forms == 1)
                        return strdup(target->path);
        }
        return entry_counted(source->key, counter->left + counter->done);
}
