/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thin hand around libxxhash: no other file knows it, so another digest is a change of this file
 * and of the state file's version. XXH3's output is fixed since 0.8.0, so stored digests stay
 * valid across upgrades of the library.
 *
 * Left out on purpose: a seed. Digests are compared across start-ups.
 */
#include "base/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
/* Inlined: one library less to be mapped by a daemon that waits. */
#define XXH_INLINE_ALL
#include <xxhash.h>

struct digest_state {
        XXH3_state_t *xxh; /* by pointer: XXH3_createState() knows the alignment that it needs */
};

struct digest_state *digest_state_new(void) {
        _cleanup_digest_state_ struct digest_state *state = calloc(1, sizeof(*state));

        if (!state)
                return NULL;
        state->xxh = XXH3_createState();
        if (!state->xxh || XXH3_128bits_reset(state->xxh) != XXH_OK)
                return NULL;
        return steal_ptr(state);
}

struct digest_state *digest_state_free(struct digest_state *state) {
        if (!state)
                return NULL;
        if (state->xxh)
                XXH3_freeState(state->xxh);
        free(state);
        return NULL;
}

void digest_state_freep(struct digest_state **state) {
        *state = digest_state_free(*state);
}

void digest_state_add(struct digest_state *state, const void *data, size_t size) {
        /* Its one error is data == NULL, which only some versions forgive when size is 0. */
        if (size > 0)
                XXH3_128bits_update(state->xxh, data, size);
}

static struct digest from_hash(XXH128_hash_t hash) {
        return (struct digest){ .high = hash.high64, .low = hash.low64 };
}

struct digest digest_state_result(const struct digest_state *state) {
        return from_hash(XXH3_128bits_digest(state->xxh));
}

struct digest digest_of(const void *data, size_t size) {
        return from_hash(XXH3_128bits(size > 0 ? data : "", size));
}

bool digest_equal(struct digest a, struct digest b) {
        return a.high == b.high && a.low == b.low;
}

void digest_format(struct digest digest, char ret_text[static DIGEST_TEXT_SIZE]) {
        snprintf(ret_text, DIGEST_TEXT_SIZE, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
}

static int parse_half(const char *text, uint64_t *ret_half) {
        uint64_t half = 0;

        for (size_t i = 0; i < 16; i++) {
                if (text[i] >= '0' && text[i] <= '9')
                        half = half << 4 | (uint64_t) (text[i] - '0');
                else if (text[i] >= 'a' && text[i] <= 'f')
                        half = half << 4 | (uint64_t) (text[i] - 'a' + 10);
                else
                        return -EINVAL;
        }
        *ret_half = half;
        return 0;
}

int digest_parse(const char *text, size_t size, struct digest *ret_digest) {
        struct digest digest;

        if (size != DIGEST_TEXT_SIZE - 1)
                return -EINVAL;
        if (parse_half(text, &digest.high) < 0 || parse_half(text + 16, &digest.low) < 0)
                return -EINVAL;
        *ret_digest = digest;
        return 0;
}
