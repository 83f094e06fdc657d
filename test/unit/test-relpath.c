/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths: one ascending table of which every pair is compared both ways, and what FAT can hold.
 */
#include "base/relpath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_valid(void **state) {
        static const char *const good[] = {
                "",      "a",       "a/b", "EFI/Linux/x.efi", "...",
                "a/...", ".hidden", "..a", "a/..b/c",         ". ",
        };
        static const char *const bad[] = {
                "/",    "/a",  "a/",   "a//b",  ".",      "..", "./a",
                "../a", "a/.", "a/..", "a/./b", "a/../b", "//",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (!relpath_valid(good[i]))
                        fail_msg("'%s' is valid", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (relpath_valid(bad[i]))
                        fail_msg("'%s' is not valid", bad[i]);
}

/* Each path comes before the next; in particular a directory right before what is in it. */
static const char *const ascending[] = {
        "",     "a",         "A/b",         "a/b/c",         "a/b-c", "a/C", "a\x01",    "a ",
        "a!",   "a-b",       "A.conf",      "a.conf/x",      "a0",    "a_",  "aa",       "b",
        "EFI",  "efi/Linux", "EFI/linux/x", "efi/linux-old", "EFI-x", "z",   "\xc3\x84", "\xc3\xa4",
        "\xff",
};

static void test_order(void **state) {
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(ascending); i++)
                for (size_t j = 0; j < ELEMENTSOF(ascending); j++) {
                        int r = relpath_compare(ascending[i], ascending[j]);
                        int expected = (i > j) - (i < j);

                        if ((r > 0) - (r < 0) != expected)
                                fail_msg("'%s' against '%s': %d, expected %d", ascending[i],
                                         ascending[j], r, expected);
                        assert_int_equal(relpath_equal(ascending[i], ascending[j]), i == j);
                }
}

static void test_folding(void **state) {
        (void) state;

        assert_true(relpath_equal("EFI/BOOT/BOOTX64.EFI", "efi/boot/bootx64.efi"));
        assert_false(relpath_equal("a@", "a`")); /* 0x40 and 0x60 are no letters */
        assert_false(relpath_equal("a[", "a{"));
        assert_false(relpath_equal("\xc3\x84", "\xc3\xa4")); /* ASCII only */
        assert_false(relpath_equal("a", "a/"));
}

static void test_below(void **state) {
        (void) state;

        assert_true(relpath_below("", ""));
        assert_true(relpath_below("a/b", ""));
        assert_true(relpath_below("a", "a"));
        assert_true(relpath_below("EFI/Linux/x.efi", "efi/linux"));
        assert_true(relpath_below("a/b/c", "A"));
        assert_false(relpath_below("ab", "a"));
        assert_false(relpath_below("a-b/c", "a"));
        assert_false(relpath_below("a", "a/b"));
        assert_false(relpath_below("", "a"));
        assert_false(relpath_below("b/a", "a"));
}

static void test_parts(void **state) {
        (void) state;

        assert_string_equal(relpath_name("a/b/c.conf"), "c.conf");
        assert_string_equal(relpath_name("c"), "c");
        assert_string_equal(relpath_name(""), "");
        assert_int_equal(relpath_dir_length("a/b/c"), 3);
        assert_int_equal(relpath_dir_length("c"), 0);
        assert_int_equal(relpath_dir_length(""), 0);

        _cleanup_free_ char *joined = relpath_join("a/b", "c"), *alone = relpath_join("", "c");
        assert_string_equal(joined, "a/b/c");
        assert_string_equal(alone, "c");
}

static void test_fat_names(void **state) {
        static const char *const good[] = {
                "vmlinuz",
                "6.10.3-200.fc40.x86_64",
                ".hidden",
                "a b",
                " a",
                "foo+3-1.conf",
                "x[1]=;,",
                "K\xc3\xa4se",
                "\xe2\x82\xac",
                "\xf0\x9f\x90\xa7",
                "a~1",
                "..a",
                "{}'`!#$%&()-@^_",
        };
        static const char *const bad[] = {
                "",
                ".",
                "..",
                "...",
                "a.",
                "a..",
                "a ",
                " ",
                "a*",
                "a?",
                "a<",
                "a>",
                "a|",
                "a\"",
                "a:",
                "a\\b",
                "a/b",
                "a\n",
                "\x01",
                "\x1f",
                "\xff",
                "\xc3",
                "a\xc3(",
                "\xc0\xaf",
                "a\tb",
                "\xed\xa0\x80",
                "\xf4\x90\x80\x80",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (!relpath_name_fits_fat(good[i]))
                        fail_msg("'%s' fits", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (relpath_name_fits_fat(bad[i]))
                        fail_msg("'%s' does not fit", bad[i]);
}

/* 255 UTF-16 units, whatever the number of bytes. */
static void expect_longest(const char *character, size_t longest) {
        char name[256 * 4 + 1] = "";

        for (size_t i = 0; i < longest; i++)
                strcat(name, character);
        assert_true(relpath_name_fits_fat(name));
        strcat(name, character);
        assert_false(relpath_name_fits_fat(name));
}

static void test_fat_length(void **state) {
        (void) state;

        expect_longest("a", 255);
        expect_longest("\xc3\xa4", 255);
        expect_longest("\xe2\x82\xac", 255);
        expect_longest("\xf0\x9f\x90\xa7", 127);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_valid),      cmocka_unit_test(test_order),
                cmocka_unit_test(test_folding),    cmocka_unit_test(test_below),
                cmocka_unit_test(test_parts),      cmocka_unit_test(test_fat_names),
                cmocka_unit_test(test_fat_length),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
