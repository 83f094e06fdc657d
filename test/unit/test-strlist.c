/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of strings.
 */
#include "base/strlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_list(const struct strlist *list, const char *const *items, size_t n) {
        assert_int_equal(list->n, n);
        for (size_t i = 0; i < n; i++)
                assert_string_equal(list->items[i], items[i]);
}

static void test_add(void **state) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;

        (void) state;
        for (int i = 0; i < 100; i++)
                assert_int_equal(strlist_add_n(&list, "abcdef", (size_t) i % 7), 0);
        assert_int_equal(list.n, 100);
        assert_string_equal(list.items[0], "");
        assert_string_equal(list.items[99], "a");
        assert_string_equal(list.items[97], "abcdef");

        strlist_done(&list);
        assert_int_equal(list.n, 0);
        assert_int_equal(strlist_add(&list, "again"), 0);
        expect_list(&list, (const char *const[]){ "again" }, 1);
}

static void test_words(void **state) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;

        (void) state;
        assert_int_equal(strlist_add_words(&list, ""), 0);
        assert_int_equal(strlist_add_words(&list, " \t\n"), 0);
        assert_int_equal(list.n, 0);
        assert_int_equal(strlist_add_words(&list, "one"), 0);
        assert_int_equal(strlist_add_words(&list, "  two\tthree \r\n four "), 0);
        expect_list(&list, (const char *const[]){ "one", "two", "three", "four" }, 4);
}

static void test_contains(void **state) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;

        (void) state;
        assert_false(strlist_contains(&list, ""));
        assert_int_equal(strlist_add_words(&list, "vfat ext4"), 0);
        assert_true(strlist_contains(&list, "vfat"));
        assert_true(strlist_contains(&list, "ext4"));
        assert_false(strlist_contains(&list, "ext"));
        assert_false(strlist_contains(&list, "VFAT"));
        assert_false(strlist_contains(&list, ""));
}

static void test_copy(void **state) {
        _cleanup_strlist_ struct strlist from = STRLIST_INIT, to = STRLIST_INIT;
        _cleanup_strlist_ struct strlist empty = STRLIST_INIT;

        (void) state;
        assert_int_equal(strlist_add_words(&from, "a b"), 0);
        assert_int_equal(strlist_add_words(&to, "x y z"), 0);
        assert_int_equal(strlist_copy(&to, &from), 0);
        expect_list(&to, (const char *const[]){ "a", "b" }, 2);
        assert_ptr_not_equal(to.items[0], from.items[0]);

        assert_int_equal(strlist_copy(&to, &to), 0);
        expect_list(&to, (const char *const[]){ "a", "b" }, 2);
        assert_int_equal(strlist_copy(&to, &empty), 0);
        assert_int_equal(to.n, 0);
}

static void test_sort(void **state) {
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;

        (void) state;
        strlist_sort(&list);
        assert_int_equal(strlist_add_words(&list, "b a \xff ab B a -"), 0);
        strlist_sort(&list);
        expect_list(&list, (const char *const[]){ "-", "B", "a", "a", "ab", "b", "\xff" }, 7);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_add),      cmocka_unit_test(test_words),
                cmocka_unit_test(test_contains), cmocka_unit_test(test_copy),
                cmocka_unit_test(test_sort),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
