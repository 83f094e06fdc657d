/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of versions: one ascending table of which every pair is compared both ways, and the
 * spellings that mean the same.
 */
#include "core/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Each one is older than the next. */
static const char *const ascending[] = {
        "~",
        "~1",
        "",
        "-1",
        "^1",
        ".1",
        "A",
        "a",
        "aB",
        "aa",
        "aab",
        "0-rescue",
        "1",
        "2~rc1",
        "2",
        "2-0",
        "2^git1",
        "2^git2",
        "2.0",
        "2a",
        "4.19.0-27-amd64",
        "5.10.0-9-amd64",
        "5.10.0-28-amd64",
        "5.10.0-28-cloud-amd64",
        "5.15.0-101-generic",
        "5.15.0-102-generic",
        "5.15.0-1051-aws",
        "6.1.0-9-amd64",
        "6.1.0-13-amd64",
        "6.1.0-13-rt-amd64",
        "6.1.0-18-amd64",
        "6.5.6-300.fc39.x86_64",
        "6.5.10-200.fc38.x86_64",
        "6.5.10-300.fc39.aarch64",
        "6.5.10-300.fc39.x86_64",
        "6.6.1-arch1-1",
        "6.6.1-arch1-2",
        "6.6.1-arch2-1",
        "6.6.1-zen1-1-zen",
        "6.6.1.arch1-1",
        "6.6.9-200.fc39.x86_64",
        "6.6.10-200.fc39.x86_64",
        "6.8.0-0.rc0.20240112git70d201a40823.5.fc40.x86_64",
        "6.8.0-0.rc6.49.fc40.x86_64",
        "6.8.0-31-generic",
        "6.8.0-31-lowlatency",
        "6.8.0-63.fc40.x86_64",
        "6.10.0~rc3",
        "6.10.0~rc3-1",
        "6.10.0~rc10",
        "6.10.0",
        "6.10.0-rc3",
        "6.10.0-rc10",
        "6.10.0-1",
        "6.10.0^20240601",
        "6.10.0^20240601-1",
        "6.10.0.1",
        "6.10.1~",
        "6.10.1~a",
        "6.10.1",
        "10.0",
        "10.0.99999999999999999999999999999999999999998",
        "10.0.99999999999999999999999999999999999999999",
        "10.0.100000000000000000000000000000000000000000",
};

static int sign(int r) {
        return (r > 0) - (r < 0);
}

static void expect_order(const char *a, const char *b, int expected) {
        if (sign(version_compare(a, b)) != expected || sign(version_compare(b, a)) != -expected)
                fail_msg("'%s' against '%s': %d and %d, expected %d and %d", a, b,
                         version_compare(a, b), version_compare(b, a), expected, -expected);
}

static void test_ascending(void **state) {
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(ascending); i++)
                for (size_t j = i; j < ELEMENTSOF(ascending); j++)
                        expect_order(ascending[i], ascending[j], i == j ? 0 : -1);
}

static void test_equal(void **state) {
        static const char *const pairs[][2] = {
                { "", "" },
                { "", "_" },
                { "_", "+ /" },
                { "1", "01" },
                { "1.0", "1.00" },
                { "0", "000" },
                { "6.1_2", "6.1+2" },
                { "6.1\xc3\xa9", "6.1" },
                { "\xff\xfe_5", "5" },
                { "1-", "1-" },
                { "10.0.000000000000000000000000000000000000000001", "10.0.1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++)
                expect_order(pairs[i][0], pairs[i][1], 0);
}

/* What an upgrade that changes the scheme depends on. */
static void test_promises(void **state) {
        (void) state;

        expect_order("6.10.0", "6.10.0-rc3", -1);
        expect_order("6.10.0~rc3", "6.10.0", -1);
        expect_order("6.9.12-200.fc40.x86_64", "6.10.3-200.fc40.x86_64", -1);
        expect_order("123", "123a", -1);
        expect_order("123-9", "123.1-1", -1);
        expect_order("1.5", "1.5.0", -1);
        expect_order("foo", "1", -1);
}

/* Numbers longer than any integer, and text longer than any buffer. */
static void test_huge(void **state) {
        static char a[100001], b[100001];

        (void) state;
        memset(a, '9', sizeof(a) - 1);
        memset(b, '9', sizeof(b) - 1);
        expect_order(a, b, 0);
        b[sizeof(b) - 2] = '8';
        expect_order(a, b, 1);
        b[sizeof(b) - 2] = '\0';
        expect_order(a, b, 1);
        memset(b, '0', sizeof(b) - 2);
        expect_order("0", b, 0);
}

static void test_is_kernel(void **state) {
        (void) state;

        assert_true(version_is_kernel("6.10.3-200.fc40.x86_64"));
        assert_true(version_is_kernel("6"));
        assert_true(version_is_kernel("0-rescued"));
        assert_true(version_is_kernel("0"));
        assert_false(version_is_kernel("0-rescue"));
        assert_false(version_is_kernel("0-rescue-0123456789abcdef0123456789abcdef"));
        assert_false(version_is_kernel(""));
        assert_false(version_is_kernel("."));
        assert_false(version_is_kernel("extramodules"));
        assert_false(version_is_kernel("v6.1"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ascending), cmocka_unit_test(test_equal),
                cmocka_unit_test(test_promises),  cmocka_unit_test(test_huge),
                cmocka_unit_test(test_is_kernel),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
