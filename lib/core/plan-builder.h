/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside of the plan: what plan.c has decided, and plan-order.c brings into order.
 */
#pragma once

#include "core/plan.h"

/* Whether and when an item of the target is removed. */
enum plan_removal {
        REMOVE_NEVER = 0,
        REMOVE_EARLY, /* it is in the way of something that will be put */
        REMOVE_FIRST, /* before anything is put, to make room */
        REMOVE_LATE,  /* after all else */
};

struct builder {
        const struct plan_input *in;
        struct findings *findings;
        struct plan plan;
        unsigned char *when;             /* enum plan_removal of each item of the target */
        const struct change **change_of; /* the change that each item of the target has a part in */
        bool *put;                       /* for each change: the source's file is put */
        bool frozen;       /* the source is in doubt: nothing is removed, not even to replace it */
        bool clashes_stay; /* what is in the way stays */
};

static inline size_t target_index(const struct builder *b, const struct item *item) {
        return (size_t) (item - b->in->target->items);
}

_must_check_ int builder_init(struct builder *b, const struct plan_input *in,
                              struct findings *findings);
void builder_done(struct builder *b);

_must_check_ int builder_report(struct builder *b, enum finding_kind kind, const char *path,
                                const char *other);

const struct change *builder_find_change(const struct builder *b, const char *key);
/* change may be NULL. */
bool builder_is_put(const struct builder *b, const struct change *change);
bool builder_is_running(const struct builder *b, const struct item *item);
/* The administrator was shown this very removal, and agreed. */
bool builder_is_vouched(const struct builder *b, const struct item *item);
/* Somebody saw it go on the source, or its kernel is uninstalled, or it is vouched for. */
bool builder_was_seen(const struct builder *b, const struct item *item);
/* Whether the entry with this index gets another text. */
bool builder_is_rewritten(const struct builder *b, size_t index);

/*
 * The target's complete entries: as it is; after the removals without a single put; at the end.
 * The first counts those, too, that might be complete for all that can be seen; the others do not:
 * in doubt, there is something to lose, and nothing that would save it.
 */
size_t builder_count_complete_now(const struct builder *b);
size_t builder_count_complete_left(const struct builder *b);
size_t builder_count_complete_after(const struct builder *b);

/* Decisions 4 to 6: what goes. 0 or -ENOMEM. */
_must_check_ int plan_decide_removals(struct builder *b);

/*
 * Makes the steps anew from the decisions, and adds up what they need: *ret_missing is how many
 * bytes the target lacks at the tightest moment; 0: it fits. 0 or -ENOMEM.
 */
_must_check_ int plan_order(struct builder *b, uint64_t *ret_missing);

/* Makes only the steps that remove our own leftovers. 0 or -ENOMEM. */
_must_check_ int plan_order_leftovers(struct builder *b);
