/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was seen being removed on the source.
 *
 * That a name is missing proves nothing: a dying disk makes names vanish without an error. A
 * removal on a target needs somebody who saw it happen. Keys are paths without boot counters; one
 * vouches for everything that was below it, too.
 */
#pragma once

#include "base/attr.h"
#include "base/pathset.h"
#include "core/manifest.h"

#include <stdbool.h>

/* Beyond that many no more are taken: what they would have vouched for stays and is reported. */
#define WITNESS_MAX 65536

struct witness {
        struct pathset keys;
};

#define WITNESS_INIT ((struct witness){ 0 })

void witness_done(struct witness *witness);

/* Notes that path (with or without a boot counter) was removed. 0 or -ENOMEM. */
_must_check_ int witness_add(struct witness *witness, const char *path);

/* Whether the removal of key, or of a directory that held it, was seen. */
bool witness_saw(const struct witness *witness, const char *key);

/* Forgets what is there (again): its old removal vouches for nothing any more. */
void witness_forget_present(struct witness *witness, const struct manifest *source);
