/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set of paths against a list that is searched from end to end.
 */
#include "base/pathset.h"
#include "base/relpath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void test_empty(void **state _unused_) {
        struct pathset set = PATHSET_INIT;

        assert_false(pathset_contains(&set, ""));
        assert_false(pathset_covers(&set, "a/b"));
        pathset_done(&set);
}

static void test_order_and_duplicates(void **state _unused_) {
        static const char *const added[] = { "b", "a-b", "a/b", "a", "A/B", "", "a/b/c", "b" };
        static const char *const sorted[] = { "", "a", "a/b", "a/b/c", "a-b", "b" };
        struct pathset set = PATHSET_INIT;

        for (size_t i = 0; i < ELEMENTSOF(added); i++)
                assert_int_equal(pathset_add(&set, added[i]), 0);
        assert_int_equal(set.paths.n, ELEMENTSOF(sorted));
        for (size_t i = 0; i < ELEMENTSOF(sorted); i++)
                assert_string_equal(set.paths.items[i], sorted[i]);
        pathset_done(&set);
}

static void test_covers(void **state _unused_) {
        struct pathset set = PATHSET_INIT;

        assert_int_equal(pathset_add(&set, "TOKEN/6.1"), 0);
        assert_true(pathset_covers(&set, "TOKEN/6.1"));
        assert_true(pathset_covers(&set, "token/6.1/linux"));
        assert_false(pathset_covers(&set, "TOKEN/6.10"));
        assert_false(pathset_covers(&set, "TOKEN/6.1-x"));
        assert_false(pathset_covers(&set, "TOKEN"));
        assert_false(pathset_covers(&set, ""));
        assert_int_equal(pathset_add(&set, ""), 0);
        assert_true(pathset_covers(&set, "anything"));
        pathset_done(&set);
}

static bool is_even(const char *path, const void *userdata _unused_) {
        return (path[strlen(path) - 1] - '0') % 2 == 0;
}

/* Many paths, in an order that is neither theirs nor its reverse. */
static void test_many(void **state _unused_) {
        struct pathset set = PATHSET_INIT;
        char path[32];

        for (unsigned i = 0; i < 1000; i++) {
                snprintf(path, sizeof(path), "d%u/f%u", i * 7 % 10, i * 617 % 1000);
                assert_int_equal(pathset_add(&set, path), 0);
        }
        assert_int_equal(set.paths.n, 1000);
        for (size_t i = 1; i < set.paths.n; i++)
                assert_true(relpath_compare(set.paths.items[i - 1], set.paths.items[i]) < 0);
        pathset_filter(&set, is_even, NULL);
        assert_int_equal(set.paths.n, 500);
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(path, sizeof(path), "d%u/f%u", i * 7 % 10, i * 617 % 1000);
                assert_int_equal(pathset_contains(&set, path), is_even(path, NULL));
        }
        pathset_done(&set);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_order_and_duplicates),
                cmocka_unit_test(test_covers),
                cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
