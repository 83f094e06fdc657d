/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set of keys. A parent does not swallow its children: if the parent is made again and is
 * forgotten, the children's own removal still counts.
 */
#include "core/witness.h"

#include "core/entry.h"

#include <errno.h>

void witness_done(struct witness *witness) {
        pathset_done(&witness->keys);
}

static int add_key(struct witness *witness, const char *key) {
        if (witness->keys.paths.n >= WITNESS_MAX)
                return 0;
        return pathset_add(&witness->keys, key);
}

/* Who removed it does not know whether it was an entry, whose key has no counter, or payload with
 * such a name, whose key is its path: both are noted. */
int witness_add(struct witness *witness, const char *path) {
        _cleanup_free_ char *key = entry_identity(path);
        int r;

        if (!key)
                return -ENOMEM;
        r = add_key(witness, key);
        return r < 0 ? r : add_key(witness, path);
}

bool witness_saw(const struct witness *witness, const char *key) {
        return pathset_covers(&witness->keys, key);
}

static bool is_absent(const char *key, const void *source) {
        return !manifest_forms(source, key, NULL);
}

void witness_forget_present(struct witness *witness, const struct manifest *source) {
        pathset_filter(&witness->keys, is_absent, source);
}
