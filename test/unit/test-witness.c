/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who saw a removal vouches for what was below it, not beside it; and no longer once the name is
 * there again.
 */
#include "fixture.h"

#include "core/witness.h"

static void add(struct witness *witness, const char *path) {
        assert_int_equal(witness_add(witness, path), 0);
}

static void test_saw(void **state) {
        static const struct {
                const char *key;
                bool saw;
        } table[] = {
                { "a/b", true },      { "A/B", true },       { "a/b/c", true },
                { "a/b/c/d", true },  { "a", false },        { "a/bc", false },
                { "a/b-c", false },   { "a/c", false },      { "", false },
                { "e/x.conf", true }, { "e/x", false },      { "e/y.conf", true },
                { "p/z.efi", true },  { "p/z+3.efi", true }, { "p/z+2.efi", false },
        };
        struct witness witness = WITNESS_INIT;

        (void) state;
        assert_false(witness_saw(&witness, "a/b"));
        add(&witness, "a/b");
        add(&witness, "e/x+2-1.conf");
        add(&witness, "e/y.conf");
        add(&witness, "p/z+3.efi");
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (witness_saw(&witness, table[i].key) != table[i].saw)
                        fail_msg("%s", table[i].key);
        witness_done(&witness);
}

static void test_root(void **state) {
        struct witness witness = WITNESS_INIT;

        (void) state;
        add(&witness, "");
        assert_true(witness_saw(&witness, "any/thing"));
        witness_done(&witness);
}

/* What is there again is forgotten; what was in it, and is not, is not. */
static void test_again(void **state) {
        _cleanup_scope_ struct scope scope = fixture_scope("");
        _cleanup_disk_ struct disk disk = DISK_INIT;
        _cleanup_manifest_ struct manifest source;
        struct witness witness = WITNESS_INIT;

        (void) state;
        add(&witness, MID "/6.9");
        add(&witness, MID "/6.9/linux");
        add(&witness, MID "/6.9/initrd");
        add(&witness, "loader/entries/" MID "-6.9+1.conf");
        add(&witness, "loader/entries/" MID "-6.8.conf");
        disk_describe(&disk, "$/6.9/linux 5\nloader/entries/$-6.9.conf -> x\n");
        disk_scan(&disk, &scope, &source);
        witness_forget_present(&witness, &source);

        assert_false(witness_saw(&witness, MID "/6.9"));
        assert_false(witness_saw(&witness, MID "/6.9/linux"));
        assert_false(witness_saw(&witness, MID "/6.9/other"));
        assert_true(witness_saw(&witness, MID "/6.9/initrd"));
        assert_false(witness_saw(&witness, "loader/entries/" MID "-6.9.conf"));
        assert_true(witness_saw(&witness, "loader/entries/" MID "-6.8.conf"));
        witness_done(&witness);
}

/* A counted form of the entry is there: then so is the entry. */
static void test_blessed_back(void **state) {
        _cleanup_scope_ struct scope scope = fixture_scope("");
        _cleanup_disk_ struct disk disk = DISK_INIT;
        _cleanup_manifest_ struct manifest source;
        struct witness witness = WITNESS_INIT;

        (void) state;
        add(&witness, "loader/entries/" MID "-6.9.conf");
        disk_describe(&disk, "loader/entries/$-6.9+3.conf -> x\n");
        disk_scan(&disk, &scope, &source);
        witness_forget_present(&witness, &source);
        assert_false(witness_saw(&witness, "loader/entries/" MID "-6.9.conf"));
        witness_done(&witness);
}

/* Beyond the limit nothing is taken, and what was taken still counts. */
static void test_limit(void **state) {
        struct witness witness = WITNESS_INIT;
        char path[32];

        (void) state;
        for (unsigned i = 0; i < WITNESS_MAX; i++) {
                snprintf(path, sizeof(path), "a/%08u", i);
                add(&witness, path);
                add(&witness, path);
        }
        assert_true(witness_saw(&witness, path));
        add(&witness, "b");
        assert_false(witness_saw(&witness, "b"));
        assert_true(witness_saw(&witness, "a/00000000"));
        witness_done(&witness);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_saw),   cmocka_unit_test(test_root),
                cmocka_unit_test(test_again), cmocka_unit_test(test_blessed_back),
                cmocka_unit_test(test_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
