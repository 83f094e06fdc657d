/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry names and texts.
 */
#include "base/buf.h"
#include "core/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
        const char *path;
        const char *identity;
        struct entry_counter counter;
} names[] = {
        { "foo.conf", "foo.conf", { false, 0, 0 } },
        { "foo+3.conf", "foo.conf", { true, 3, 0 } },
        { "foo+2-1.conf", "foo.conf", { true, 2, 1 } },
        { "foo+0-3.conf", "foo.conf", { true, 0, 3 } },
        { "foo+03-00.conf", "foo.conf", { true, 3, 0 } },
        { "EFI/Linux/fedora-6.9.1+3.efi", "EFI/Linux/fedora-6.9.1.efi", { true, 3, 0 } },
        { "EFI/LINUX/FOO+1-2.EFI", "EFI/LINUX/FOO.EFI", { true, 1, 2 } },
        { "d+1.conf/foo.conf", "d+1.conf/foo.conf", { false, 0, 0 } },
        { "foo+999999999.conf", "foo.conf", { true, 999999999, 0 } },
        { "foo+1-999999999.conf", "foo.conf", { true, 1, 999999999 } },
        { "foo+1234567890.conf", "foo+1234567890.conf", { false, 0, 0 } },
        { "foo+1-1234567890.conf", "foo+1-1234567890.conf", { false, 0, 0 } },
        { "foo+.conf", "foo+.conf", { false, 0, 0 } },
        { "foo+-1.conf", "foo+-1.conf", { false, 0, 0 } },
        { "foo+1-.conf", "foo+1-.conf", { false, 0, 0 } },
        { "foo+1-2-3.conf", "foo+1-2-3.conf", { false, 0, 0 } },
        { "foo+a.conf", "foo+a.conf", { false, 0, 0 } },
        { "foo+1a.conf", "foo+1a.conf", { false, 0, 0 } },
        { "foo+ 1.conf", "foo+ 1.conf", { false, 0, 0 } },
        { "foo-6.1.conf", "foo-6.1.conf", { false, 0, 0 } },
        { "foo-6-1.conf", "foo-6-1.conf", { false, 0, 0 } },
        { "foo+1+2.conf", "foo+1.conf", { true, 2, 0 } },
        { "6.1.0+3.conf", "6.1.0.conf", { true, 3, 0 } },
        { "+3.conf", "+3.conf", { false, 0, 0 } },
        { "a/+3.conf", "a/+3.conf", { false, 0, 0 } },
        { "3.conf", "3.conf", { false, 0, 0 } },
        { ".conf", ".conf", { false, 0, 0 } },
        { "foo+3", "foo+3", { false, 0, 0 } },
        { "foo+3.txt", "foo+3.txt", { false, 0, 0 } },
        { "foo+3.conf.bak", "foo+3.conf.bak", { false, 0, 0 } },
        { "foo+3.efi.extra.d", "foo+3.efi.extra.d", { false, 0, 0 } },
        { "", "", { false, 0, 0 } },
};

static void test_counters(void **state) {
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *identity = entry_identity(names[i].path);
                struct entry_counter counter = entry_counter(names[i].path);

                assert_string_equal(identity, names[i].identity);
                if (counter.present != names[i].counter.present ||
                    counter.left != names[i].counter.left || counter.done != names[i].counter.done)
                        fail_msg("'%s': %d %u %u", names[i].path, counter.present, counter.left,
                                 counter.done);
        }
}

static void test_counted(void **state) {
        (void) state;

        _cleanup_free_ char *conf = entry_counted("loader/entries/foo.conf", 3);
        _cleanup_free_ char *efi = entry_counted("EFI/Linux/foo.EFI", 0);
        assert_string_equal(conf, "loader/entries/foo+3.conf");
        assert_string_equal(efi, "EFI/Linux/foo+0.EFI");

        _cleanup_free_ char *back = entry_identity(conf);
        assert_string_equal(back, "loader/entries/foo.conf");
        assert_int_equal(entry_counter(conf).left, 3);
}

/* The references of a text, one a line. */
static void expect_refs_n(const char *text, size_t size, const char *expected, int outcome) {
        _cleanup_strlist_ struct strlist refs = STRLIST_INIT;
        _cleanup_buf_ struct buf joined = BUF_INIT;
        /* In memory of its very size: reading beyond it is seen. */
        _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);

        assert_non_null(copy);
        memcpy(copy, text, size);
        assert_int_equal(entry_refs(copy, size, &refs), outcome);
        for (size_t i = 0; i < refs.n; i++)
                assert_int_equal(buf_appendf(&joined, "%s\n", refs.items[i]), 0);
        assert_string_equal(buf_string(&joined), expected);
}

static void expect_refs(const char *text, const char *expected, int outcome) {
        expect_refs_n(text, strlen(text), expected, outcome);
}

static void test_refs(void **state) {
        (void) state;

        expect_refs("# made by kernel-install\n"
                    "title      Fedora Linux\n"
                    "version    6.10.3-200.fc40.x86_64\n"
                    "machine-id 0123456789abcdef0123456789abcdef\n"
                    "options    root=/dev/sda initrd=/not/this linux /nor/this\n"
                    "linux      /0123/6.10.3/linux\n"
                    "initrd     /0123/6.10.3/microcode\n"
                    "initrd     /0123/6.10.3/initrd\n"
                    "devicetree /0123/6.10.3/board.dtb\n"
                    "devicetree-overlay /o/a.dtbo  /o/b.dtbo\t/o/c.dtbo\n",
                    "0123/6.10.3/linux\n0123/6.10.3/microcode\n0123/6.10.3/initrd\n"
                    "0123/6.10.3/board.dtb\no/a.dtbo\no/b.dtbo\no/c.dtbo\n",
                    0);
        expect_refs("efi /EFI/shell.efi\n", "EFI/shell.efi\n", 0);
        expect_refs("uki /EFI/Linux/a.efi\n", "EFI/Linux/a.efi\n", 0);
        expect_refs("initrd /i\n", "i\n", ENTRY_NO_KERNEL);
        expect_refs("title nothing\n", "", ENTRY_NO_KERNEL);
        expect_refs("", "", ENTRY_NO_KERNEL);
}

static void test_refs_lines(void **state) {
        (void) state;

        expect_refs("linux /a", "a\n", 0); /* no newline at the end */
        expect_refs("linux /a\r\ninitrd /b\r\n", "a\nb\n", 0);
        expect_refs("linux /a\rinitrd /b\r", "a\nb\n", 0);
        expect_refs("\tlinux\t\t/a \t\n  initrd   /b  ", "a\nb\n", 0);
        expect_refs("#linux /a\n  # linux /b\nlinux /c\n", "c\n", 0);
        expect_refs("linux /a # no comment\n", "a # no comment\n", 0);
        expect_refs("linux\nlinux \nlinux\t\n", "", ENTRY_NO_KERNEL);
        expect_refs("Linux /a\nLINUX /b\nlinux-x /c\nxlinux /d\nuki-url /e\n", "", ENTRY_NO_KERNEL);
        expect_refs("linux=/a\n", "", ENTRY_NO_KERNEL);
        expect_refs("\n\n\r\n \n\t\n#\n", "", ENTRY_NO_KERNEL);
        expect_refs("devicetree-overlay /a\n", "a\n", ENTRY_NO_KERNEL);
        expect_refs("linux /a\nlinux /b\n", "a\nb\n", 0);
}

static void test_refs_paths(void **state) {
        (void) state;

        expect_refs("linux a/b", "a/b\n", 0);
        expect_refs("linux ///a//b", "a/b\n", 0);
        expect_refs("linux \\EFI\\Linux\\a.efi", "EFI/Linux/a.efi\n", 0);
        expect_refs("linux /\\/a\\/b", "a/b\n", 0);
        expect_refs("linux /a b/c", "a b/c\n", 0);
        expect_refs("linux \"/a/b\"", "a/b\n", 0);
        expect_refs("linux \"/a/b", "\"/a/b\n", 0);
        expect_refs("linux \"", "\"\n", 0);
        expect_refs("linux \"\"", "/\n", 0);
        expect_refs("linux /../a", "../a\n", 0);
        expect_refs("linux /a/./b", "a/./b\n", 0);
        expect_refs("linux /a/", "a/\n", 0);
        expect_refs("linux /", "/\n", 0);
        expect_refs("linux /K\xc3\xa4se\xff\x80", "K\xc3\xa4se\xff\x80\n", 0);
}

#define EXPECT_BYTES(text, expected, outcome)                                                      \
        expect_refs_n(text, sizeof(text) - 1, expected, outcome)

static void test_refs_nul(void **state) {
        (void) state;

        EXPECT_BYTES("\0linux /a\n", "", ENTRY_NO_KERNEL);
        EXPECT_BYTES("linux /a\0b\ninitrd /c\n", "a\n", 0);
        EXPECT_BYTES("linux /a\n\0\0\0\0", "a\n", 0);
        EXPECT_BYTES("linux\0/a\n", "", ENTRY_NO_KERNEL);
        assert_int_equal(entry_refs("", 0, &(struct strlist){ 0 }), ENTRY_NO_KERNEL);
}

static void test_refs_huge(void **state) {
        _cleanup_buf_ struct buf text = BUF_INIT, expected = BUF_INIT;

        (void) state;
        for (int i = 0; i < 5000; i++) {
                assert_int_equal(buf_appendf(&text, "linux //dir//%d\n", i), 0);
                assert_int_equal(buf_appendf(&expected, "dir/%d\n", i), 0);
        }
        assert_true(text.size > ENTRY_SIZE_MAX);
        expect_refs(buf_string(&text), buf_string(&expected), 0);

        buf_done(&text);
        assert_int_equal(buf_append_string(&text, "linux /"), 0);
        for (int i = 0; i < 200000; i++)
                assert_int_equal(buf_append_string(&text, "a"), 0);
        buf_done(&expected);
        assert_int_equal(buf_appendf(&expected, "%s\n", buf_string(&text) + 7), 0);
        expect_refs(buf_string(&text), buf_string(&expected), 0);
}

/* Every byte in the place of every other one, and every truncation: no crash, no bad read. */
static void test_refs_mangled(void **state) {
        static const char golden[] = "linux \"/a\\b\"\r\n\t initrd /c\ndevicetree-overlay /d /e";

        (void) state;
        for (size_t size = 0; size < sizeof(golden); size++) {
                _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);

                assert_non_null(copy);
                for (size_t i = 0; i < size; i++)
                        for (int byte = 0; byte < 256; byte++) {
                                _cleanup_strlist_ struct strlist refs = STRLIST_INIT;

                                memcpy(copy, golden, size);
                                copy[i] = (char) byte;
                                assert_true(entry_refs(copy, size, &refs) >= 0);
                                for (size_t j = 0; j < refs.n; j++)
                                        assert_true(refs.items[j][0] != '\0');
                        }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counters),   cmocka_unit_test(test_counted),
                cmocka_unit_test(test_refs),       cmocka_unit_test(test_refs_lines),
                cmocka_unit_test(test_refs_paths), cmocka_unit_test(test_refs_nul),
                cmocka_unit_test(test_refs_huge),  cmocka_unit_test(test_refs_mangled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
