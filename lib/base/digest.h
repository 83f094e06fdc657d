/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Content digests: XXH3 with 128 bits (libxxhash).
 *
 * They tell rot and chance, not malice: who can write to an ESP can replace the kernel itself.
 * In exchange a digest costs no more than a comparison of two buffers.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT_SIZE (32 + 1)

struct digest {
        uint64_t high;
        uint64_t low;
};

struct digest_state;

/* A running digest; NULL on lack of memory. */
struct digest_state *digest_state_new(void);
struct digest_state *digest_state_free(struct digest_state *state);
void digest_state_freep(struct digest_state **state);
#define _cleanup_digest_state_ _cleanup_(digest_state_freep)

void digest_state_add(struct digest_state *state, const void *data, size_t size);
struct digest digest_state_result(const struct digest_state *state);

struct digest digest_of(const void *data, size_t size);
bool digest_equal(struct digest a, struct digest b);

/* As 32 lower-case hexadecimal digits. */
void digest_format(struct digest digest, char ret_text[static DIGEST_TEXT_SIZE]);
/* 0, or -EINVAL if size is not 32 or a byte is no lower-case hexadecimal digit. */
_must_check_ int digest_parse(const char *text, size_t size, struct digest *ret_digest);
