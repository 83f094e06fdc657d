/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source and target side by side, with the baseline as the third.
 *
 * One change for each key at which something is to be done or to be found out. What content cannot
 * be known from sizes and times is left open (CHANGE_COMPARE) and settled by diff_settle(), after
 * somebody has read both files.
 */
#pragma once

#include "base/attr.h"
#include "core/baseline.h"
#include "core/manifest.h"

#include <stdbool.h>
#include <stddef.h>

enum change_kind {
        CHANGE_ADD,     /* on the source only */
        CHANGE_COMPARE, /* same size; only the content can tell */
        CHANGE_REPLACE, /* content differs */
        CHANGE_RENAME,  /* content is equal, but the target needs another form of the entry's name,
                           or holds surplus forms */
        CHANGE_SAME,    /* content is equal and was read to know it: to be noted in the baseline */
        CHANGE_REMOVE,  /* on the target only */
        CHANGE_CLASH,   /* a file on one side, a directory or something else on the other */
};

struct change {
        enum change_kind kind;
        const char *key;
        const struct item *source; /* the form that counts; NULL: CHANGE_REMOVE */
        const struct item *target; /* the form that counts; NULL: CHANGE_ADD */
        const struct item *forms;  /* all forms on the target */
        size_t n_forms;
        bool drift; /* the target is not as the baseline knows it (or has lost it), though the source
                       is as it was */
};

/* The changes point into the manifests, which must stay as they are. */
struct diff {
        struct change *changes; /* in the order of the keys */
        size_t n;
        size_t room;
};

#define DIFF_INIT ((struct diff){ 0 })

void diff_done(struct diff *diff);
#define _cleanup_diff_ _cleanup_(diff_done)

/* 0 or -ENOMEM. baseline may be NULL. */
_must_check_ int diff_build(const struct manifest *source, const struct manifest *target,
                            const struct baseline *baseline, struct diff *ret_diff);

/* Ends the doubt of a CHANGE_COMPARE. */
void diff_settle(struct change *change, bool equal);

/*
 * The path that the target's file shall have. For a file that is no entry: as the target spells it,
 * else as the source does. For an entry, by its boot counter:
 *   blessed on the source                → blessed;
 *   new, or its content differs          → a fresh counter, the tries that it was born with;
 *   content equal, blessed on the target → stays so; one counted form → stays as it is (counting
 *   is local to an ESP); two counted forms → a fresh counter.
 * The caller frees it; NULL on lack of memory.
 */
char *diff_target_path(const struct change *change);
