/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Digests against published values, and however a content is cut.
 */
#include "base/digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Published values of XXH3 with 128 bits and no seed: stored digests must survive upgrades. */
static void test_golden(void **state) {
        static const struct {
                const char *text;
                const char *digest;
        } golden[] = {
                { "", "99aa06d3014798d86001c324468d497f" },
                { "a", "a96faf705af16834e6c632b61e964e1f" },
                { "abc", "06b05ab6733a618578af5f94892f3950" },
                { "The quick brown fox jumps over the lazy dog",
                  "ddd650205ca3e7fa24a1cc2e3a8a7651" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                char text[DIGEST_TEXT_SIZE];

                digest_format(digest_of(golden[i].text, strlen(golden[i].text)), text);
                assert_string_equal(text, golden[i].digest);
        }
}

/* However a content is cut, the digest is the same; each prefix has another. */
static void test_streaming(void **state) {
        static unsigned char data[3000];
        struct digest whole, before = digest_of(NULL, 0);

        (void) state;
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (unsigned char) (i * 7 + i / 256);
        whole = digest_of(data, sizeof(data));

        for (size_t step = 1; step <= sizeof(data); step += step < 40 ? 1 : 487) {
                _cleanup_digest_state_ struct digest_state *running = digest_state_new();

                assert_non_null(running);
                for (size_t i = 0; i < sizeof(data); i += step)
                        digest_state_add(running, data + i,
                                         step < sizeof(data) - i ? step : sizeof(data) - i);
                digest_state_add(running, NULL, 0);
                assert_true(digest_equal(digest_state_result(running), whole));
                assert_true(digest_equal(digest_state_result(running), whole));
        }
        for (size_t i = 1; i <= sizeof(data); i++) {
                struct digest next = digest_of(data, i);

                assert_false(digest_equal(next, before));
                before = next;
        }
}

static void test_equal(void **state) {
        (void) state;

        assert_true(digest_equal((struct digest){ 1, 2 }, (struct digest){ 1, 2 }));
        assert_false(digest_equal((struct digest){ 1, 2 }, (struct digest){ 1, 3 }));
        assert_false(digest_equal((struct digest){ 1, 2 }, (struct digest){ 3, 2 }));
}

static void test_text(void **state) {
        static const char text[] = "00000000000000ff0123456789abcdef";
        struct digest digest = { 7, 7 };
        char back[DIGEST_TEXT_SIZE];

        (void) state;
        assert_int_equal(digest_parse(text, 32, &digest), 0);
        assert_int_equal(digest.high, 0xff);
        assert_int_equal(digest.low, 0x0123456789abcdef);
        digest_format(digest, back);
        assert_string_equal(back, text);
}

static void test_parse_refuses(void **state) {
        struct digest digest = { 7, 7 };
        char text[] = "00000000000000ff0123456789abcdef0";

        (void) state;
        assert_int_equal(digest_parse(text, 31, &digest), -EINVAL);
        assert_int_equal(digest_parse(text, 33, &digest), -EINVAL);
        assert_int_equal(digest_parse(text, 0, &digest), -EINVAL);
        for (size_t i = 0; i < 32; i++)
                for (const char *bad = "AFGgx \n-/:`"; *bad != '\0'; bad++) {
                        char kept = text[i];

                        text[i] = *bad;
                        assert_int_equal(digest_parse(text, 32, &digest), -EINVAL);
                        text[i] = '\0';
                        assert_int_equal(digest_parse(text, 32, &digest), -EINVAL);
                        text[i] = kept;
                }
        assert_true(digest_equal(digest, (struct digest){ 7, 7 }));
        assert_null(digest_state_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),        cmocka_unit_test(test_streaming),
                cmocka_unit_test(test_equal),         cmocka_unit_test(test_text),
                cmocka_unit_test(test_parse_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
