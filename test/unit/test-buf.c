/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growing, escaping, and UTF-8: every name comes back from its escaped form.
 */
#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_empty(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;

        (void) state;
        assert_string_equal(buf_string(&buf), "");
        assert_int_equal(buf_append(&buf, NULL, 0), 0);
        assert_string_equal(buf_string(&buf), "");
        assert_int_equal(buf.size, 0);

        _cleanup_free_ char *text = buf_steal(&buf);
        assert_non_null(text);
        assert_string_equal(text, "");
}

static void test_append(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;

        (void) state;
        assert_int_equal(buf_append(&buf, "a\0b", 3), 0);
        assert_int_equal(buf_append_string(&buf, "cd"), 0);
        assert_int_equal(buf_appendf(&buf, "-%d-%s", 42, "x"), 0);
        assert_int_equal(buf.size, 3 + 2 + 5);
        assert_memory_equal(buf.data, "a\0bcd-42-x", 11);

        buf_done(&buf);
        assert_int_equal(buf.size, 0);
        assert_int_equal(buf_append_string(&buf, "again"), 0);
        assert_string_equal(buf_string(&buf), "again");
}

/* The NUL is there after every growth, byte by byte and in leaps. */
static void test_growth(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;
        static char large[10000];

        (void) state;
        for (size_t i = 0; i < 1000; i++) {
                assert_int_equal(buf_append(&buf, "x", 1), 0);
                assert_int_equal(strlen(buf_string(&buf)), i + 1);
        }
        memset(large, 'y', sizeof(large));
        assert_int_equal(buf_append(&buf, large, sizeof(large)), 0);
        assert_int_equal(strlen(buf_string(&buf)), 1000 + sizeof(large));
        assert_true(buf.room > buf.size);
}

static void test_too_large(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;

        (void) state;
        assert_int_equal(buf_append_string(&buf, "kept"), 0);
        assert_int_equal(buf_append(&buf, "x", SIZE_MAX), -ENOMEM);
        assert_int_equal(buf_append(&buf, "x", SIZE_MAX / 2), -ENOMEM);
        assert_string_equal(buf_string(&buf), "kept");
}

static void test_steal(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;

        (void) state;
        assert_int_equal(buf_append_string(&buf, "mine"), 0);
        _cleanup_free_ char *text = buf_steal(&buf);
        assert_string_equal(text, "mine");
        assert_string_equal(buf_string(&buf), "");
        assert_int_equal(buf.room, 0);
}

static const struct {
        const char *name;
        const char *escaped;
} golden[] = {
        { "", "" },
        { "vmlinuz-6.1", "vmlinuz-6.1" },
        { "two words", "two words" },
        { "back\\slash", "back\\\\slash" },
        { "\\x41", "\\\\x41" },
        { "new\nline", "new\\x0aline" },
        { "\x1b[31m", "\\x1b[31m" },
        { "\x7f", "\\x7f" },
        { "K\xc3\xa4se", "K\xc3\xa4se" },
        { "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7" },
        { "\xc2\x9b"
          "0m",
          "\\xc2\\x9b0m" }, /* a control character of two bytes */
        { "\xe2\x80\xae"
          "gpj",
          "\\xe2\\x80\\xaegpj" },              /* right-to-left override */
        { "\xe2\x80\xa8", "\\xe2\\x80\\xa8" }, /* line separator */
        { "\xef\xbb\xbf", "\\xef\\xbb\\xbf" }, /* byte order mark */
        { "\xc3", "\\xc3" },                   /* cut off */
        { "\xc3(", "\\xc3(" },
        { "\xc0\xaf", "\\xc0\\xaf" }, /* overlong slash */
        { "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
        { "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },          /* surrogate */
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond U+10FFFF */
        { "\xff\xfe", "\\xff\\xfe" },
        { "a\xe2\x82", "a\\xe2\\x82" },
};

static void test_escape(void **state) {
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                _cleanup_buf_ struct buf escaped = BUF_INIT, back = BUF_INIT;

                assert_int_equal(buf_append_string(&escaped, "<"), 0);
                assert_int_equal(
                        buf_append_escaped(&escaped, golden[i].name, strlen(golden[i].name)), 0);
                assert_string_equal(buf_string(&escaped) + 1, golden[i].escaped);
                assert_int_equal(
                        buf_append_unescaped(&back, golden[i].escaped, strlen(golden[i].escaped)),
                        0);
                assert_string_equal(buf_string(&back), golden[i].name);
        }
}

/* Every name of two bytes, NUL included, has one escaped form that leads back to it. */
static void test_escape_all(void **state) {
        (void) state;

        for (unsigned i = 0; i < 0x10000; i++) {
                _cleanup_buf_ struct buf escaped = BUF_INIT, back = BUF_INIT;
                char name[2] = { (char) (i >> 8), (char) i };

                assert_int_equal(buf_append_escaped(&escaped, name, 2), 0);
                for (size_t j = 0; j < escaped.size; j++)
                        assert_true((unsigned char) escaped.data[j] >= 0x20);
                assert_int_equal(buf_append_unescaped(&back, escaped.data, escaped.size), 0);
                assert_int_equal(back.size, 2);
                assert_memory_equal(back.data, name, 2);
        }
}

static void test_unescape_refuses(void **state) {
        static const char *const bad[] = {
                "\\",     "a\\",   "\\x",   "\\x4",         "\\x0A", "\\x4g", "\\n",
                "\\x41",  "\n",    "\x7f",  "\\xc3\\xa4",   "\xc3",  "\xff",  "\\x5c",
                "\\\\\\", "\\X0a", "\\x 1", "\xe2\x80\xae", "\\x-1",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_buf_ struct buf buf = BUF_INIT;

                assert_int_equal(buf_append_string(&buf, "kept"), 0);
                assert_int_equal(buf_append_unescaped(&buf, bad[i], strlen(bad[i])), -EINVAL);
                assert_string_equal(buf_string(&buf), "kept");
        }
}

static void test_utf8(void **state) {
        uint32_t code = 7;

        (void) state;
        assert_int_equal(utf8_decode("", 0, &code), 0);
        assert_int_equal(utf8_decode("\xc3\xa4", 1, &code), 0);
        assert_int_equal(utf8_decode("\xdf", 1, &code), 0);
        assert_int_equal(code, 7);
        assert_int_equal(utf8_decode("\0", 1, &code), 1);
        assert_int_equal(code, 0);
        assert_int_equal(utf8_decode("\xc2\x80", 2, &code), 2);
        assert_int_equal(code, 0x80);
        assert_int_equal(utf8_decode("\xe2\x82\xac", 3, &code), 3);
        assert_int_equal(code, 0x20ac);
        assert_int_equal(utf8_decode("\xf4\x8f\xbf\xbf", 4, &code), 4);
        assert_int_equal(code, 0x10ffff);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),      cmocka_unit_test(test_append),
                cmocka_unit_test(test_growth),     cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_steal),      cmocka_unit_test(test_escape),
                cmocka_unit_test(test_escape_all), cmocka_unit_test(test_unescape_refuses),
                cmocka_unit_test(test_utf8),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
