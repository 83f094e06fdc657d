/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When to look: quiet for the debounce, but never later than the delay after the first change.
 */
#include "settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static void test_due(void **state _unused_) {
        struct settle settle = { 0 };

        assert_true(settle_is_empty(&settle));
        assert_int_equal(settle_due(&settle, 2, 30), 0);
        assert_int_equal(settle_add(&settle, "a", 100), 0);
        assert_int_equal(settle_due(&settle, 2, 30), 102);
        for (uint64_t now = 101; now < 140; now++)
                assert_int_equal(settle_add(&settle, "a", now), 0);
        assert_int_equal(settle_due(&settle, 2, 30), 130);
        assert_false(settle_is_empty(&settle));
        settle_done(&settle);
        assert_true(settle_is_empty(&settle));
}

static void test_covers(void **state _unused_) {
        struct settle settle = { 0 };

        assert_false(settle_covers(&settle, "a"));
        assert_int_equal(settle_add(&settle, "a/b", 1), 0);
        assert_true(settle_covers(&settle, "a/b/c"));
        assert_false(settle_covers(&settle, "a"));
        settle_add_all(&settle, 2);
        assert_true(settle_covers(&settle, "x"));
        assert_int_equal(settle.paths.paths.n, 0);
        settle_done(&settle);
}

static void test_limit(void **state _unused_) {
        struct settle settle = { 0 };
        char path[16];

        for (unsigned i = 0; i < SETTLE_PATHS_MAX; i++) {
                snprintf(path, sizeof(path), "f%u", i);
                assert_int_equal(settle_add(&settle, path, 1), 0);
        }
        assert_false(settle.all);
        assert_int_equal(settle_add(&settle, "one more", 5), 0);
        assert_true(settle.all);
        assert_int_equal(settle.first, 1);
        assert_int_equal(settle.last, 5);
        settle_done(&settle);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_due),
                cmocka_unit_test(test_covers),
                cmocka_unit_test(test_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
