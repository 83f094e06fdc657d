/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is ours and what is not: a table of paths with the traps of a match by substring, and the
 * kernel version that each belongs to.
 */
#include "fixture.h"

#include <string.h>

/* The letter stands for the class; a path that ends in a slash is a directory. */
static const char letters[] = {
        [SCOPE_OUTSIDE] = '-', [SCOPE_WAY] = 'w', [SCOPE_PAYLOAD] = 'p',
        [SCOPE_ENTRY] = 'e',   [SCOPE_UKI] = 'u', [SCOPE_LEFTOVER] = 'l',
};

struct line {
        char class;
        const char *path;
};

static void check_lines(const struct scope *scope, const struct line *lines, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *path = fixture_expand(lines[i].path);
                size_t length = strlen(path);
                bool is_dir = length > 0 && path[length - 1] == '/';
                char got;

                if (is_dir)
                        path[length - 1] = '\0';
                got = letters[scope_classify(scope, path, is_dir || length == 0)];
                if (got != lines[i].class)
                        fail_msg("%s: %c instead of %c", lines[i].path, got, lines[i].class);
        }
}

static void test_classes(void **state) {
        static const struct line lines[] = {
                { 'w', "" },
                { 'w', "loader/" },
                { 'w', "loader/entries/" },
                { 'w', "EFI/" },
                { 'w', "EFI/Linux/" },
                { 'w', "efi/LINUX/" },
                { 'p', "$/" },
                { 'p', "C0FFEE/" },
                { 'p', "$/6.9.1/" },
                { 'p', "$/6.9.1/linux" },
                { 'p', "C0ffee/6.9.1/LINUX" },
                { 'p', "$/a/b/c/d" },
                { 'p', "fedora/6.9.1/linux" },
                { 'p', "fedora/" },
                { '-', "$" }, /* a file where the token's directory would be */
                { '-', "$x/" },
                { '-', "$x/linux" },
                { '-', "x$/linux" },
                { '-', "notes-$.txt" },
                { '-', "$.txt" },
                { '-', "$-6.9.1.conf" },
                { '-', "EFI/$/linux" },
                { '-', "EFI/$/" },
                { '-', "loader/$/" },
                { '-', "fedora-asahi/6.9.1/linux" },
                { '-', "fedor/" },
                /* entries */
                { 'e', "loader/entries/$-6.9.1.conf" },
                { 'e', "loader/entries/$-6.9.1+3-0.conf" },
                { 'e', "LOADER/Entries/C0FFEE-6.9.1.CONF" },
                { 'e', "loader/entries/$-custom.conf" },
                { 'e', "loader/entries/$-0-rescue.conf" },
                { 'e', "loader/entries/fedora-6.9.1.conf" },
                { '-', "loader/entries/fedora-asahi-6.9.1.conf" },
                { '-', "loader/entries/fedora-custom.conf" },
                { '-', "loader/entries/fedora-.conf" },
                { '-', "loader/entries/fedora.conf" },
                { '-', "loader/entries/fedora6.9.1.conf" },
                { '-', "loader/entries/$.conf" },
                { '-', "loader/entries/$-.conf" },
                { '-', "loader/entries/$x-6.9.1.conf" },
                { '-', "loader/entries/x$-6.9.1.conf" },
                { '-', "loader/entries/$-6.9.1.conf.bak" },
                { '-', "loader/entries/$-6.9.1" },
                { '-', "loader/entries/.conf" },
                { '-', "loader/entries/$-6.9.1.conf/" },
                { '-', "loader/entries/sub/$-6.9.1.conf" },
                { '-', "loader/entries/$-6.9.1/x.conf" },
                { '-', "loader/entries/$-6.9.1.efi" },
                { '-', "loader/entries/$-6.9.1.conf/x" },
                { '-', "loader/$-6.9.1.conf" },
                { '-', "xloader/entries/$-6.9.1.conf" },
                { '-', "loader/entriesx/$-6.9.1.conf" },
                /* UKIs */
                { 'u', "EFI/Linux/$-6.9.1.efi" },
                { 'u', "efi/linux/fedora-6.9.1+2-1.EFI" },
                { '-', "EFI/Linux/fedora-asahi-6.9.1.efi" },
                { '-', "EFI/Linux/arch-linux.efi" },
                { '-', "EFI/Linux/$-6.9.1.conf" },
                { '-', "EFI/Linux/sub/$-6.9.1.efi" },
                { '-', "EFI/Linux/$-6.9.1.efi/" },
                { '-', "EFI/$-6.9.1.efi" },
                { 'p', "EFI/Linux/$-6.9.1.efi.extra.d/" },
                { 'p', "EFI/Linux/$-6.9.1.efi.extra.d/a.addon.efi" },
                { 'p', "EFI/Linux/fedora-6.9.1.EFI.Extra.D/sub/a" },
                { '-', "EFI/Linux/$-6.9.1.efi.extra.d" },
                { '-', "EFI/Linux/fedora-asahi-1.efi.extra.d/a" },
                { '-', "EFI/Linux/.efi.extra.d/a" },
                { '-', "EFI/Linux/$-6.9.1.extra.d/a" },
                /* what nobody mirrors */
                { '-', "EFI/Microsoft/" },
                { '-', "EFI/Microsoft/Boot/" },
                { '-', "EFI/Microsoft/Boot/bootmgfw.efi" },
                { '-', "EFI/BOOT/BOOTX64.EFI" },
                { '-', "loader/random-seed" },
                { '-', "loader/entries.srel" },
                { '-', "loader/loader.conf" },
                { '-', "loader/keys/" },
                { '-', "loader/keys/auto/db.auth" },
                { '-', "System Volume Information/" },
                { '-', "FSCK0000.REC" },
                { '-', "vmlinuz-linux" },
                { '-', "loader" }, /* a file */
                { '-', "EFI/Linux" },
        };
        _cleanup_scope_ struct scope scope = fixture_scope("");

        (void) state;
        check_lines(&scope, lines, ELEMENTSOF(lines));
}

static void test_leftovers(void **state) {
        static const struct line lines[] = {
                { 'l', "$/.bootsync-1.tmp" },
                { 'l', "$/6.9.1/.bootsync-123456789.tmp" },
                { 'l', "$/6.9.1/.BOOTSYNC-1.TMP" },
                { 'l', "loader/entries/.bootsync-0.tmp" },
                { 'l', "EFI/Linux/.bootsync-0.tmp" },
                { 'l', "EFI/Linux/$-1.efi.extra.d/.bootsync-0.tmp" },
                { 'l', ".bootsync-0.tmp" },
                { '-', "EFI/Microsoft/.bootsync-0.tmp" },
                { '-', "EFI/BOOT/.bootsync-0.tmp" },
                { 'p', "$/.bootsync-1.tmp/" },
                { 'p', "$/.bootsync-.tmp" },
                { 'p', "$/.bootsync-1a.tmp" },
                { 'p', "$/.bootsync--1.tmp" },
                { 'p', "$/.bootsync-1.tmpx" },
                { 'p', "$/x.bootsync-1.tmp" },
                { 'p', "$/.bootsync-1" },
                { '-', "loader/entries/.bootsync-x.tmp" },
        };
        _cleanup_scope_ struct scope scope = fixture_scope("");

        (void) state;
        check_lines(&scope, lines, ELEMENTSOF(lines));
}

static void test_extra_paths(void **state) {
        static const struct line lines[] = {
                { 'p', "EFI/BOOT/" },
                { 'p', "efi/boot/BOOTX64.EFI" },
                { 'p', "EFI/BOOT/a/b" },
                { 'p', "EFI/BOOT" }, /* a file there is in the way, so it is ours to see */
                { '-', "EFI/BOOTX/a" },
                { '-', "EFI/BOO/" },
                { 'p', "loader/loader.conf" },
                { 'p', "loader/loader.conf/" },
                { '-', "loader/loader.conf.bak" },
                { '-', "loader/random-seed" },
                { 'w', "a/" },
                { 'w', "a/b/" },
                { 'p', "a/b/c" },
                { '-', "a/b/d" },
                { '-', "a/bc/" },
                { 'l', "a/.bootsync-7.tmp" },
                { 'l', "EFI/BOOT/.bootsync-7.tmp" },
                /* an entry by its place, whoever's it is */
                { 'e', "loader/entries/arch.conf" },
                { 'p', "loader/entries/arch.conf/" },
                { '-', "loader/entries/other.conf" },
                { 'u', "EFI/Linux/own.efi" },
                { 'p', "vmlinuz-linux" },
        };
        _cleanup_scope_ struct scope scope = fixture_scope(
                "EFI/BOOT loader/loader.conf a/b/c loader/entries/arch.conf EFI/Linux/own.efi "
                "vmlinuz-linux");

        (void) state;
        check_lines(&scope, lines, ELEMENTSOF(lines));
}

/* A folder of entries given whole: what is an entry by its name is one, all else is payload. */
static void test_whole_places(void **state) {
        static const struct line lines[] = {
                { 'p', "loader/entries/" },         { 'e', "loader/entries/any.conf" },
                { 'p', "loader/entries/any.txt" },  { 'p', "loader/entries/.conf" },
                { 'p', "loader/entries/a/b.conf" }, { 'p', "EFI/Linux/" },
                { 'u', "EFI/Linux/any.efi" },       { 'p', "EFI/Linux/any.efi.extra.d/a.efi" },
                { 'p', "EFI/Linux/any.conf" },      { 'p', "EFI/Linux/any.efi/" },
        };
        _cleanup_scope_ struct scope scope = fixture_scope("loader/entries EFI/Linux");

        (void) state;
        check_lines(&scope, lines, ELEMENTSOF(lines));
}

static void test_versions(void **state) {
        static const struct {
                const char *key, *version; /* NULL: none */
        } table[] = {
                { "$", NULL },
                { "$/6.9.1", "6.9.1" },
                { "$/6.9.1/linux", "6.9.1" },
                { "C0FFEE/6.9.1/a/b", "6.9.1" },
                { "fedora/6.9.1/linux", "6.9.1" },
                { "$/0-rescue/linux", "0-rescue" },
                { "loader/entries/$-6.9.1.conf", "6.9.1" },
                { "loader/entries/$-6.9.1-fallback.conf", "6.9.1-fallback" },
                { "loader/entries/$-0-rescue.conf", "0-rescue" },
                { "loader/entries/fedora-6.9.1.CONF", "6.9.1" },
                { "loader/entries/fedora-asahi-6.9.1.conf", NULL },
                { "loader/entries/arch.conf", NULL },
                { "loader/entries/$-6.9.1.conf/x", NULL },
                { "EFI/Linux/$-6.9.1.efi", "6.9.1" },
                { "EFI/Linux/$-6.9.1.efi.extra.d", "6.9.1" },
                { "EFI/Linux/$-6.9.1.efi.extra.d/a.addon.efi", "6.9.1" },
                { "EFI/Linux/$-6.9.1.efi/a", NULL },
                { "EFI/Linux/arch.efi", NULL },
                { "EFI/BOOT/6.9.1", NULL },
                { "loader/entries", NULL },
                { "EFI/Linux", NULL },
                { "", NULL },
        };
        _cleanup_scope_ struct scope scope = fixture_scope("EFI/BOOT");

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *key = fixture_expand(table[i].key);
                char version[SCOPE_VERSION_SIZE] = "untouched";
                bool has = scope_version(&scope, key, version);

                if (has != (table[i].version != NULL) ||
                    strcmp(version, has ? table[i].version : "untouched") != 0)
                        fail_msg("%s: %d %s", table[i].key, has, version);
        }
}

/* The longest version that fits, and one more. */
static void test_version_size(void **state) {
        _cleanup_scope_ struct scope scope = fixture_scope("");
        char key[SCOPE_VERSION_SIZE + sizeof(MID "/") + 1] = MID "/";
        size_t head = strlen(key);
        char version[SCOPE_VERSION_SIZE];

        (void) state;
        memset(key + head, '6', SCOPE_VERSION_SIZE - 1);
        assert_true(scope_version(&scope, key, version));
        assert_int_equal(strlen(version), SCOPE_VERSION_SIZE - 1);
        key[head + SCOPE_VERSION_SIZE - 1] = '6';
        assert_false(scope_version(&scope, key, version));
}

static void test_equal(void **state) {
        _cleanup_scope_ struct scope a = fixture_scope("EFI/BOOT"), b = fixture_scope("EFI/BOOT"),
                                     c = fixture_scope("EFI/BOOT x"), d = fixture_scope("efi/boot");

        (void) state;
        assert_true(scope_equal(&a, &b));
        assert_false(scope_equal(&a, &c));
        assert_false(scope_equal(&c, &a));
        assert_false(scope_equal(&a, &d));
        strlist_done(&b.tokens);
        assert_false(scope_equal(&a, &b));
}

/* The machine id comes first, once, whether it is among the tokens or not. */
static void test_tokens(void **state) {
        _cleanup_strlist_ struct strlist tokens = fixture_words("x $ x y"), none = STRLIST_INIT;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;

        (void) state;
        assert_int_equal(scope_init(&scope, MID, &tokens, &none), 0);
        assert_int_equal(scope.tokens.n, 3);
        assert_string_equal(scope.tokens.items[0], MID);
        assert_string_equal(scope.tokens.items[1], "x");
        assert_string_equal(scope.tokens.items[2], "y");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_classes),     cmocka_unit_test(test_leftovers),
                cmocka_unit_test(test_extra_paths), cmocka_unit_test(test_whole_places),
                cmocka_unit_test(test_versions),    cmocka_unit_test(test_version_size),
                cmocka_unit_test(test_equal),       cmocka_unit_test(test_tokens),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
