/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each guard says no for its reason and for no other, in the order of the numbers.
 */
#include "fixture.h"

#include "core/guard.h"

#include <string.h>

static void test_newest(void **state) {
        static const struct {
                const char *modules, *newest;
        } table[] = {
                { "6.9.1 6.10.2 6.9.9", "6.10.2" },
                { "6.10.2~rc3 6.10.2", "6.10.2" },
                { "0-rescue", NULL },
                { "extramodules kernel 0-rescue 5.1", "5.1" },
                { "", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_strlist_ struct strlist modules = fixture_words(table[i].modules);
                const char *newest = guard_newest_kernel(&modules);

                assert_int_equal(newest != NULL, table[i].newest != NULL);
                if (newest)
                        assert_string_equal(newest, table[i].newest);
        }
}

static void scan(const char *text, const struct scope *scope, struct manifest *ret_manifest) {
        _cleanup_disk_ struct disk disk = DISK_INIT;

        disk_describe(&disk, text);
        disk_scan(&disk, scope, ret_manifest);
}

/* 0 if there is none; then nothing else may be there either. */
static int only_finding(const struct findings *findings) {
        assert_true(findings->n <= 1);
        return findings->n > 0 ? (int) findings->items[0].kind : 0;
}

static void test_source(void **state) {
        static const struct {
                const char *source, *newest;
                bool no_machine_id;
                int kind;
        } table[] = {
                { "loader/\n$/6.9/linux 1\n", "6.9", false, 0 },
                { "loader/\n$/6.9/\n", "6.9", false, 0 },
                { "loader/\nEFI/Linux/fedora-6.9+3.efi 1\n", "6.9", false, 0 },
                { "loader/\n$/6.9-A/linux 1\n", "6.9-a", false, 0 },
                { "$/6.9/linux 1\n", "6.9", false, FINDING_NO_LOADER },
                { "loader 5\n", "6.9", true, FINDING_NO_LOADER },
                { "loader/\n$/6.9/linux 1\n", NULL, true, FINDING_NO_MACHINE_ID },
                { "loader/\n$/6.9/linux 1\n", NULL, false, FINDING_NO_MODULES },
                { "loader/\n$/6.9/linux 1\n", "6.9.1", false, FINDING_NEWEST_MISSING },
                { "loader/\n$/6.9.1/linux 1\n", "6.9", false, FINDING_NEWEST_MISSING },
                { "loader/\nother/6.9/linux 1\n", "6.9", false, FINDING_NEWEST_MISSING },
                { "loader/\n", "6.9", false, FINDING_NEWEST_MISSING },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_scope_ struct scope scope = fixture_scope("");
                _cleanup_findings_ struct findings findings = FINDINGS_INIT;
                _cleanup_manifest_ struct manifest source;

                scan(table[i].source, &scope, &source);
                if (table[i].no_machine_id) {
                        free(scope.machine_id);
                        scope.machine_id = NULL;
                }
                assert_int_equal(guard_source(&scope, &source, table[i].newest, 5, &findings), 0);
                if (only_finding(&findings) != table[i].kind)
                        fail_msg("case %zu: %d", i, only_finding(&findings));
                if (table[i].kind == FINDING_NO_MODULES)
                        assert_int_equal(findings.items[0].error, 5);
                if (table[i].kind == FINDING_NEWEST_MISSING)
                        assert_string_equal(findings.items[0].other, table[i].newest);
        }
}

/* With "loader" among the extra paths even a file of that name is seen. */
static void test_source_loader_file(void **state) {
        _cleanup_scope_ struct scope scope = fixture_scope("loader");
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
        _cleanup_manifest_ struct manifest source;

        (void) state;
        scan("loader 5\n$/6.9/linux 1\n", &scope, &source);
        assert_non_null(manifest_find(&source, "loader"));
        assert_int_equal(guard_source(&scope, &source, "6.9", 0, &findings), 0);
        assert_int_equal(only_finding(&findings), FINDING_NO_LOADER);
}

static void test_target(void **state) {
        static const struct {
                const char *name;
                struct roles_member member;
                int kind;
        } table[] = {
                { "good", { .mounted = true, .mount = { .devno = 2, .fstype = "vfat" } }, 0 },
                { "the other one allowed",
                  { .mounted = true, .mount = { .devno = 2, .fstype = "ext4" } },
                  0 },
                { "missing", { .exists = true }, FINDING_TARGET_MISSING },
                { "the source, and read-only, and wrong",
                  { .mounted = true, .mount = { .devno = 1, .fstype = "xfs", .read_only = true } },
                  FINDING_TARGET_IS_SOURCE },
                { "wrong and read-only",
                  { .mounted = true, .mount = { .devno = 2, .fstype = "xfs", .read_only = true } },
                  FINDING_TARGET_WRONG_FS },
                { "read-only",
                  { .mounted = true, .mount = { .devno = 2, .fstype = "vfat", .read_only = true } },
                  FINDING_TARGET_READ_ONLY },
        };
        _cleanup_strlist_ struct strlist allowed = fixture_words("vfat ext4");

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_findings_ struct findings findings = FINDINGS_INIT;
                struct roles roles = { .root_mounted = true, .root = { .devno = 1 } };

                roles.members[2] = table[i].member;
                assert_int_equal(guard_target(&roles, 'c', &allowed, &findings), 0);
                if (only_finding(&findings) != table[i].kind)
                        fail_msg("%s: %d", table[i].name, only_finding(&findings));
                if (table[i].kind == FINDING_TARGET_WRONG_FS)
                        assert_string_equal(findings.items[0].other, "xfs");
        }
}

static void test_newer(void **state) {
        static const struct {
                const char *name, *target, *refused; /* NULL: not refused */
        } table[] = {
                { "nothing", "", NULL },
                { "the same kernel", "$/6.9/linux 1\n", NULL },
                { "the same in other words", "$/06.9/linux 1\n", NULL },
                { "an older one", "$/6.8/linux 1\nloader/entries/$-6.8.conf -> x\n", NULL },
                { "a newer one", "$/6.10/linux 1\n", "6.10" },
                { "a newer one of the entry token", "fedora/6.10/linux 1\n", "6.10" },
                { "deeper", "$/6.10/a/linux 1\n", "6.10" },
                { "its entry alone", "loader/entries/$-6.10+3.conf -> x\n", "6.10" },
                { "its UKI", "EFI/Linux/fedora-6.10.efi 1\n", "6.10" },
                { "the greatest is told", "$/6.10/a 1\n$/6.12/a 1\n$/6.11/a 1\n", "6.12" },
                { "the baseline knows it", "$/7.1/linux 1\n", NULL },
                { "the source holds it", "$/7.2/linux 1\n", NULL },
                { "the one that nobody knows beside it", "$/6.10/a 1\n$/7.1/linux 1\n", "6.10" },
                { "an empty directory", "$/6.10/\n", NULL },
                { "empty files", "$/6.10/linux 0\n$/6.10/initrd 0\n", NULL },
                { "an empty UKI", "EFI/Linux/$-6.10.efi 0\n", NULL },
                { "an empty file and one that is not", "$/6.10/a 0\n$/6.10/b 1\n", "6.10" },
                { "a stray name", "$/zzz/linux 1\n$/notes/a 1\nloader/entries/$-x.conf -> y\n",
                  NULL },
                { "a stray file in the token's directory", "$/9.notes 1\n", NULL },
                { "a leftover of ours", "$/6.10/.bootsync-1.tmp 9\n", NULL },
                { "a side-car alone", "EFI/Linux/$-6.10.efi.extra.d/a 9\n", NULL },
                { "the rescue kernel", "$/0-rescue/linux 1\nloader/entries/$-0-rescue.conf -> x\n",
                  NULL },
                { "a link", "@$/6.10/linux\n", NULL },
                { "another system's", "EFI/Linux/arch-9.9.efi 1\nother/9.9/linux 1\n", NULL },
        };
        _cleanup_scope_ struct scope scope = fixture_scope("");
        _cleanup_manifest_ struct manifest source;
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
        struct record record = { .key = (char *) MID "/7.1/initrd" };

        (void) state;
        assert_int_equal(baseline_set(&baseline, &record), 0);
        scan("$/6.9/linux 1\nloader/entries/$-7.2.conf -> x\n", &scope, &source);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_findings_ struct findings findings = FINDINGS_INIT;
                _cleanup_manifest_ struct manifest target;

                scan(table[i].target, &scope, &target);
                assert_int_equal(guard_newer(&scope, &source, &target, &baseline, "6.9", &findings),
                                 0);
                if (only_finding(&findings) != (table[i].refused ? FINDING_TARGET_NEWER : 0))
                        fail_msg("%s", table[i].name);
                if (table[i].refused)
                        assert_string_equal(findings.items[0].other, table[i].refused);
        }
}

static void test_newer_without_baseline(void **state) {
        _cleanup_scope_ struct scope scope = fixture_scope("");
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
        _cleanup_manifest_ struct manifest source, target;

        (void) state;
        scan("$/6.9/linux 1\n", &scope, &source);
        scan("$/7.1/linux 1\n", &scope, &target);
        assert_int_equal(guard_newer(&scope, &source, &target, NULL, "6.9", &findings), 0);
        assert_int_equal(only_finding(&findings), FINDING_TARGET_NEWER);
}

#define ENTRY "loader/entries/$-6.9.conf"

static void test_complete(void **state) {
        static const struct {
                const char *disk;
                bool complete;
                const char *missing; /* NULL: none */
        } table[] = {
                { "$/k 1\n$/i 1\n" ENTRY " -> $/k $/i\n", true, NULL },
                { "$/k 1\n" ENTRY " -> $/K\n", true, NULL },
                { "$/k 1\n" ENTRY " -> $/k $/i $/j\n", false, "$/i" },
                { "$/k 0\n$/i 1\n" ENTRY " -> $/k $/i\n", false, "$/k" },
                { "$/k/\n" ENTRY " -> $/k\n", false, "$/k" },
                { "@$/k\n" ENTRY " -> $/k\n", false, "$/k" },
                { "$/.bootsync-1.tmp 1\n" ENTRY " -> $/.bootsync-1.tmp\n", false,
                  "$/.bootsync-1.tmp" },
                { "loader/entries/$-1.conf -> x\n" ENTRY " -> loader/entries/$-1.conf\n", false,
                  "loader/entries/$-1.conf" },
                { "EFI/Linux/$-1+3.efi 1\n" ENTRY " -> EFI/Linux/$-1+3.efi\n", true, NULL },
                { "EFI/Linux/$-1+3.efi 1\n" ENTRY " -> EFI/Linux/$-1.efi\n", false,
                  "EFI/Linux/$-1.efi" },
                { "vmlinuz 1\n" ENTRY " -> vmlinuz\n", false, "vmlinuz" },
                { ENTRY " ->\n", false, NULL },
                { ENTRY " 0\n", false, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_scope_ struct scope scope = fixture_scope("");
                _cleanup_manifest_ struct manifest manifest;
                _cleanup_free_ char *path = fixture_expand(ENTRY),
                                    *wanted = fixture_expand(table[i].missing ? table[i].missing
                                                                              : "");
                const char *missing = "untouched";
                const struct item *entry;

                scan(table[i].disk, &scope, &manifest);
                entry = manifest_find(&manifest, path);
                if (guard_entry_complete(&manifest, entry, &missing) != table[i].complete ||
                    guard_entry_complete(&manifest, entry, NULL) != table[i].complete)
                        fail_msg("case %zu", i);
                assert_string_equal(missing ? missing : "", wanted);
        }
}

static void test_bootable(void **state) {
        static const struct {
                const char *source;
                bool bootable;
        } table[] = {
                { "$/k 1\nloader/entries/$-6.9.conf -> $/k\n", true },
                { "$/k 1\nloader/entries/fedora-6.9+0-3.conf -> $/k\n", true },
                { "EFI/Linux/$-6.9+3.efi 1\n", true },
                { "EFI/Linux/$-6.9.efi 0\n", false },
                { "$/k 1\nloader/entries/$-6.8.conf -> $/k\n", false },
                { "$/k 1\nloader/entries/$-6.9.1.conf -> $/k\n", false },
                { "loader/entries/$-6.9.conf -> $/k\n", false },
                { "$/k 1\nloader/entries/$-6.9+1.conf -> $/x\n"
                  "loader/entries/$-6.9.conf -> $/k\n",
                  true },
                { "$/6.9/linux 1\n", false },
                { "", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_scope_ struct scope scope = fixture_scope("");
                _cleanup_manifest_ struct manifest source;

                scan(table[i].source, &scope, &source);
                if (guard_source_bootable(&scope, &source, "6.9") != table[i].bootable)
                        fail_msg("case %zu", i);
        }
}

static void test_version_gone(void **state) {
        static const struct {
                const char *key;
                bool gone; /* 6.9.1 and 6.10-rc1 are there */
        } table[] = {
                { "$/6.9.1/linux", false },
                { "$/6.9.1", false },
                { "$/6.9.1-fallback/linux", false },
                { "$/6.9.1+debug/linux", false },
                { "$/6.9.1.old/linux", false },
                { "$/6.9.1_x/linux", false },
                { "$/6.9.1~rc1/linux", true },
                { "$/6.9.10/linux", true },
                { "$/6.9.1a/linux", true },
                { "$/6.9/linux", true },
                { "$/6.10/linux", true },
                { "$/6.10-RC1/linux", false },
                { "loader/entries/$-6.9.1.conf", false },
                { "loader/entries/$-6.9.1-fallback.conf", false },
                { "loader/entries/$-6.8.conf", true },
                { "EFI/Linux/fedora-6.8.efi", true },
                { "EFI/Linux/fedora-6.8.efi.extra.d/a", true },
                { "$/0-rescue/linux", false },
                { "loader/entries/$-0-rescue.conf", false },
                { "loader/entries/$-custom.conf", false },
                { "$/shared/ucode", false },
                { "$", false },
                { "EFI/BOOT/BOOTX64.EFI", false },
        };
        _cleanup_strlist_ struct strlist modules = fixture_words("6.9.1 6.10-rc1");
        _cleanup_scope_ struct scope scope = fixture_scope("EFI/BOOT");

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *key = fixture_expand(table[i].key);

                if (guard_version_gone(&scope, key, &modules) != table[i].gone)
                        fail_msg("%s", table[i].key);
        }
}

/* The hundreds of a finding's number are its guard. */
static void test_numbers(void **state) {
        static const struct {
                enum finding_kind kind;
                unsigned guard;
                bool of_source;
        } table[] = {
                { FINDING_ROOT_NOT_MOUNTED, 1, true },
                { FINDING_ROOT_AUTOFS, 1, true },
                { FINDING_MEMBERS_SHARE_UUID, 2, true },
                { FINDING_NO_LOADER, 3, true },
                { FINDING_BAD_ENTRY_TOKEN, 4, true },
                { FINDING_NO_MODULES, 5, true },
                { FINDING_NEWEST_MISSING, 6, true },
                { FINDING_SOURCE_LOST, 7, true },
                { FINDING_TARGET_MISSING, 8, false },
                { FINDING_TARGET_NEWER, 9, false },
                { FINDING_TARGET_FULL, 10, false },
                { FINDING_RUNNING_KERNEL, 11, false },
                { FINDING_EXTRA, 12, false },
                { FINDING_SOURCE_NOT_BOOTABLE, 12, true },
                { FINDING_IN_THE_WAY, 12, false },
                { FINDING_ENTRY_INCOMPLETE, 0, true },
                { FINDING_DRIFT, 0, false },
                { FINDING_CORRUPT, 0, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                assert_int_equal(finding_guard(table[i].kind), table[i].guard);
                assert_int_equal(finding_is_of_source(table[i].kind), table[i].of_source);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_newest),
                cmocka_unit_test(test_source),
                cmocka_unit_test(test_source_loader_file),
                cmocka_unit_test(test_target),
                cmocka_unit_test(test_newer),
                cmocka_unit_test(test_newer_without_baseline),
                cmocka_unit_test(test_complete),
                cmocka_unit_test(test_bootable),
                cmocka_unit_test(test_version_gone),
                cmocka_unit_test(test_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
