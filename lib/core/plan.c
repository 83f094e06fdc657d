/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decisions, in this order:
 *   1. What is in the way (a file where a directory must be, or the reverse) has to go before
 *      anything is written, and the entries that name it before that. If the target could not be
 *      booted then, it stays, and so does all that depends on it.
 *   2. Payload is put if its name fits the file system.
 *   3. An entry is put if all that it names is on the source, complete, and will be on the target.
 *   4. What only the target has goes if somebody saw it go on the source, unless the source is in
 *      doubt, or it belongs to the running kernel.
 *   5. An entry that names what goes is retired with it, if the source still has the entry; else
 *      the entry is an extra, and what it names stays.
 *   6. If no complete entry would be left, nothing goes.
 *   7. Everything must fit (plan-order.c).
 */
#include "core/plan.h"

#include "base/relpath.h"
#include "core/guard.h"
#include "core/plan-builder.h"

#include <errno.h>
#include <string.h>

void plan_done(struct plan *plan) {
        for (size_t i = 0; i < plan->n; i++)
                free(plan->steps[i].path);
        free(plan->steps);
        *plan = PLAN_INIT;
}

/* ---- 1. What is in the way ---- */

/* What is no file could not be started anyway: such an entry has nothing to lose. */
static bool names_early(const struct builder *b, const struct item *entry) {
        for (size_t i = 0; i < entry->refs.n; i++) {
                const struct item *named = manifest_find(b->in->target, entry->refs.items[i]);

                if (named && named->type == ITEM_FILE && named->size > 0 &&
                    b->when[target_index(b, named)] == REMOVE_EARLY)
                        return true;
        }
        return false;
}

/* Marks path with all below it, and the entries that name any of that. */
static void mark_early(struct builder *b, const char *key) {
        const struct manifest *target = b->in->target;

        for (size_t i = manifest_lower_bound(target, key);
             i < target->n && relpath_below(target->items[i].key, key); i++)
                b->when[i] = REMOVE_EARLY;
        for (size_t i = 0; i < target->n; i++)
                if (item_is_entry(&target->items[i]) && names_early(b, &target->items[i]))
                        b->when[i] = REMOVE_EARLY;
}

/* What boots goes only if somebody saw it go: a flipped bit in a directory makes a file of it. */
static bool may_go_early(const struct builder *b, const struct item *item) {
        return !builder_is_running(b, item) && (!item_is_entry(item) || builder_was_seen(b, item));
}

static bool early_is_allowed(const struct builder *b, size_t complete_now) {
        for (size_t i = 0; i < b->in->target->n; i++)
                if (b->when[i] == REMOVE_EARLY && !may_go_early(b, &b->in->target->items[i]))
                        return false;
        return complete_now == 0 || builder_count_complete_left(b) > 0;
}

static int decide_clashes(struct builder *b) {
        const struct diff *diff = b->in->diff;
        size_t complete_now = builder_count_complete_now(b), clashes = 0;
        int r;

        for (size_t i = 0; i < diff->n; i++) {
                if (diff->changes[i].kind != CHANGE_CLASH)
                        continue;
                clashes++;
                if (!b->frozen)
                        mark_early(b, diff->changes[i].key);
        }
        if (clashes == 0 || (!b->frozen && early_is_allowed(b, complete_now)))
                return 0;

        b->clashes_stay = true;
        memset(b->when, REMOVE_NEVER, b->in->target->n * sizeof(*b->when));
        for (size_t i = 0; i < diff->n && !b->frozen; i++) {
                if (diff->changes[i].kind != CHANGE_CLASH)
                        continue;
                r = builder_report(b, FINDING_IN_THE_WAY, diff->changes[i].target->path, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- 2. and 3. What is put ---- */

static bool is_wanted(const struct builder *b, const struct change *change) {
        switch (change->kind) {
        case CHANGE_ADD:
        case CHANGE_REPLACE:
        case CHANGE_RENAME:
                return true;
        case CHANGE_CLASH:
                return !b->clashes_stay;
        case CHANGE_COMPARE:
        case CHANGE_SAME:
        case CHANGE_REMOVE:
                return false;
        }
        return false;
}

/* The first entry that names path, or NULL. */
static const struct item *find_naming(const struct manifest *manifest, const char *path) {
        for (size_t i = 0; i < manifest->n; i++) {
                const struct item *entry = &manifest->items[i];

                for (size_t k = 0; item_is_entry(entry) && k < entry->refs.n; k++)
                        if (relpath_equal(entry->refs.items[k], path))
                                return entry;
        }
        return NULL;
}

/* An empty file is what a failed installation leaves; it replaces nothing that an entry needs. */
static bool would_empty(const struct builder *b, const struct change *change) {
        return change->source->type == ITEM_FILE && change->source->size == 0 && change->target &&
               change->target->size > 0 && find_naming(b->in->target, change->target->path);
}

static int hold_back_empty(struct builder *b, size_t index) {
        const struct change *change = &b->in->diff->changes[index];

        if (!b->put[index] || !would_empty(b, change))
                return 0;
        b->put[index] = false;
        return builder_report(b, FINDING_IN_THE_WAY, change->target->path, NULL);
}

/* All payload, directories too. What is below something that cannot be put is not put either. */
static int decide_payload(struct builder *b) {
        const char *blocked = NULL;
        int r;

        for (size_t i = 0; i < b->in->diff->n; i++) {
                const struct change *change = &b->in->diff->changes[i];
                bool fits;

                if (!change->source || item_is_entry(change->source) ||
                    (blocked && relpath_below(change->key, blocked)))
                        continue;
                fits = !b->in->fat || relpath_name_fits_fat(relpath_name(change->source->path));
                b->put[i] = fits && is_wanted(b, change);
                r = fits ? hold_back_empty(b, i)
                         : builder_report(b, FINDING_BAD_NAME, change->source->path, NULL);
                if (r < 0)
                        return r;
                if (!b->put[i] && change->kind != CHANGE_SAME)
                        blocked = change->key;
        }
        return 0;
}

static bool is_on_target(const struct builder *b, const char *path) {
        const struct item *item = manifest_find(b->in->target, path);

        return item && item->type == ITEM_FILE && b->when[target_index(b, item)] == REMOVE_NEVER;
}

/* Whether what a source's entry names will be on the target; names it if not. Where there is no
 * change, the target has the same; or the name has a boot counter, which no entry can rely on. */
static bool will_be_complete(const struct builder *b, const struct item *entry,
                             const char **ret_missing) {
        if (!guard_entry_complete(b->in->source, entry, ret_missing))
                return false;
        for (size_t i = 0; i < entry->refs.n; i++) {
                const struct change *change = builder_find_change(b, entry->refs.items[i]);

                *ret_missing = entry->refs.items[i];
                if (change ? !builder_is_put(b, change) && change->kind != CHANGE_SAME
                           : !is_on_target(b, entry->refs.items[i]))
                        return false;
        }
        *ret_missing = NULL;
        return true;
}

static int report_incomplete(struct builder *b, const struct item *entry, const char *missing) {
        if (!missing)
                return builder_report(b, FINDING_ENTRY_NO_KERNEL, entry->path, NULL);
        if (scope_classify(b->in->scope, missing, false) == SCOPE_OUTSIDE)
                return builder_report(b, FINDING_ENTRY_OUTSIDE, entry->path, missing);
        return builder_report(b, FINDING_ENTRY_INCOMPLETE, entry->path, missing);
}

/* The first entry of the target that names one of the forms that would make way for path. */
static const struct item *find_dependent(const struct builder *b, const struct change *change,
                                         const char *path, const struct item **ret_form) {
        for (size_t i = 0; i < change->n_forms; i++) {
                const struct item *entry = find_naming(b->in->target, change->forms[i].path);

                *ret_form = &change->forms[i];
                if (entry && !relpath_equal(change->forms[i].path, path))
                        return entry;
        }
        return NULL;
}

/* A complete entry that differs on the target. */
static int decide_entry(struct builder *b, const struct change *change) {
        _cleanup_free_ char *path = diff_target_path(change);
        const struct item *dependent, *form;

        if (!path)
                return -ENOMEM;
        if (b->in->fat && !relpath_name_fits_fat(relpath_name(path)))
                return builder_report(b, FINDING_BAD_NAME, change->source->path, NULL);
        dependent = find_dependent(b, change, path, &form);
        if (dependent)
                return builder_report(b, FINDING_IN_THE_WAY, form->path, dependent->path);
        b->put[change - b->in->diff->changes] = true;
        return 0;
}

static int decide_entries(struct builder *b) {
        const struct manifest *source = b->in->source;
        int r;

        /* All entries are asked, not only changed ones: one that lost its kernel is told as well. */
        for (size_t i = 0; i < source->n; i++) {
                const struct item *entry = &source->items[i];
                const struct change *change;
                const char *missing;

                if (!item_is_entry(entry))
                        continue;
                change = builder_find_change(b, entry->key);
                r = 0;
                if (!will_be_complete(b, entry, &missing))
                        r = report_incomplete(b, entry, missing);
                else if (change && change->source == entry && is_wanted(b, change))
                        r = decide_entry(b, change);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- 7. Making it fit ---- */

static bool named_by_survivor(const struct builder *b, const struct item *item) {
        for (size_t i = 0; i < b->in->target->n; i++) {
                const struct item *entry = &b->in->target->items[i];

                if (!item_is_entry(entry) || b->when[i] != REMOVE_NEVER)
                        continue;
                for (size_t k = 0; k < entry->refs.n; k++)
                        if (relpath_equal(entry->refs.items[k], item->path))
                                return true;
        }
        return false;
}

/* A directory waits for what waits in it. */
static void delay_parents(struct builder *b) {
        const struct manifest *target = b->in->target;

        for (size_t i = target->n; i > 0; i--) {
                size_t k = i;

                if (b->when[i - 1] != REMOVE_FIRST || target->items[i - 1].type != ITEM_DIR)
                        continue;
                while (k < target->n &&
                       relpath_below(target->items[k].key, target->items[i - 1].key) &&
                       b->when[k] != REMOVE_LATE)
                        k++;
                if (k < target->n && relpath_below(target->items[k].key, target->items[i - 1].key))
                        b->when[i - 1] = REMOVE_LATE;
        }
}

/* Retire before anything is written, if another complete entry stays. */
static bool retire_first(struct builder *b) {
        bool any = false;

        if (builder_count_complete_now(b) > 0 && builder_count_complete_left(b) == 0)
                return false;
        for (size_t i = 0; i < b->in->target->n; i++) {
                if (b->when[i] != REMOVE_LATE || named_by_survivor(b, &b->in->target->items[i]))
                        continue;
                b->when[i] = REMOVE_FIRST;
                any = true;
        }
        delay_parents(b);
        return any;
}

/* One whose new name an entry relies on is not dropped. */
static bool drop_renames(struct builder *b) {
        bool any = false;

        for (size_t i = 0; i < b->in->diff->n; i++) {
                const struct change *change = &b->in->diff->changes[i];

                if (!b->put[i] || change->kind != CHANGE_RENAME ||
                    find_naming(b->in->source, change->source->path))
                        continue;
                b->put[i] = false;
                any = true;
        }
        return any;
}

static int order_until_it_fits(struct builder *b) {
        uint64_t missing;
        bool retires;
        int r;

        r = plan_order(b, &missing);
        if (r < 0 || missing == 0)
                return r;

        retires = retire_first(b);
        if (retires) {
                r = plan_order(b, &missing);
                b->plan.retires_first = true;
                if (r < 0 || missing == 0)
                        return r;
        }

        r = findings_add(b->findings, FINDING_TARGET_FULL, NULL, NULL, missing, 0);
        if (r < 0)
                return r;
        /* A blessed UKI needs room for a second copy; its old name boots as well. */
        if (drop_renames(b)) {
                r = plan_order(b, &missing);
                b->plan.retires_first = retires;
                if (r < 0 || missing == 0)
                        return r;
        }
        r = plan_order_leftovers(b);
        b->plan.full = true;
        return r;
}

int plan_build(const struct plan_input *input, struct plan *ret_plan, struct findings *findings) {
        _cleanup_(builder_done) struct builder b;
        int r;

        r = builder_init(&b, input, findings);
        if (r < 0)
                return r;
        b.frozen = !input->source_complete ||
                   !guard_source_bootable(input->scope, input->source, input->newest);

        r = decide_clashes(&b);
        if (r == 0)
                r = decide_payload(&b);
        if (r == 0)
                r = decide_entries(&b);
        if (r == 0)
                r = plan_decide_removals(&b);
        if (r == 0)
                r = order_until_it_fits(&b);
        if (r < 0)
                return r;

        *ret_plan = b.plan;
        b.plan = PLAN_INIT;
        return 0;
}
