/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of messages: complete, unambiguous, with words that can be filled in; and the catalog
 * that explains what an administrator must act on.
 */
#include "core/finding.h"
#include "messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static void test_table(void **state _unused_) {
        for (size_t i = 0; i < message_forms_n; i++) {
                const struct message_form *form = &message_forms[i];

                assert_ptr_equal(message_form(form->message), form);
                assert_int_equal(strlen(form->id), 32);
                assert_int_equal(strspn(form->id, "0123456789abcdef"), 32);
                assert_in_range(form->level, LOG_CRIT, LOG_DEBUG);
                for (size_t k = 0; k < i; k++) {
                        assert_string_not_equal(form->id, message_forms[k].id);
                        assert_string_not_equal(form->name, message_forms[k].name);
                        assert_true(form->message > message_forms[k].message);
                }
        }
}

/* Every number of the two enumerations, without a gap, has words. */
static void test_complete(void **state _unused_) {
        static const int ranges[][2] = {
                { FINDING_ROOT_NOT_MOUNTED, FINDING_ROOT_AUTOFS },
                { FINDING_ROOT_NO_MEMBER, FINDING_MEMBERS_SHARE_UUID },
                { FINDING_NO_LOADER, FINDING_NO_LOADER },
                { FINDING_NO_MACHINE_ID, FINDING_BAD_ENTRY_TOKEN },
                { FINDING_NO_MODULES, FINDING_NO_MODULES },
                { FINDING_NEWEST_MISSING, FINDING_NEWEST_MISSING },
                { FINDING_SOURCE_UNREADABLE, FINDING_SOURCE_LOST },
                { FINDING_TARGET_MISSING, FINDING_TARGET_IS_SOURCE },
                { FINDING_TARGET_NEWER, FINDING_TARGET_NEWER },
                { FINDING_TARGET_FULL, FINDING_TARGET_FULL },
                { FINDING_LAST_ENTRY, FINDING_RUNNING_KERNEL },
                { FINDING_EXTRA, FINDING_IN_THE_WAY },
                { FINDING_ENTRY_INCOMPLETE, FINDING_CORRUPT },
                { MESSAGE_FIRST + 1, MESSAGE_FAULT },
        };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                for (int message = ranges[i][0]; message <= ranges[i][1]; message++, n++)
                        assert_non_null(message_form(message));
        assert_int_equal(n, message_forms_n);
}

static void test_words(void **state _unused_) {
        const struct message_args args = { .root = "/boot",
                                           .esp = "/boot@b",
                                           .path = "P",
                                           .other = "O",
                                           .number = 42,
                                           .error = EIO };

        for (size_t i = 0; i < message_forms_n; i++) {
                struct buf text = BUF_INIT;

                assert_int_equal(message_format(&text, &message_forms[i], &args), 0);
                assert_null(strpbrk(buf_string(&text), "{}\n"));
                assert_true(text.size > 5 || message_forms[i].message >= MESSAGE_FIRST);
                buf_done(&text);
        }
}

static void assert_format(const char *words, const struct message_args *args,
                          const char *expected) {
        const struct message_form form = { .words = words };
        struct buf text = BUF_INIT;

        assert_int_equal(message_format(&text, &form, args), 0);
        assert_string_equal(buf_string(&text), expected);
        buf_done(&text);
}

static void test_format(void **state _unused_) {
        const struct message_args args = { .root = "/boot",
                                           .esp = "/boot@b",
                                           .path = "a\nb\033[31m\xff",
                                           .number = 7,
                                           .error = -ENOSPC };

        assert_format("{root} {esp} {number}", &args, "/boot /boot@b 7");
        assert_format("x{error}", &args, "x: No space left on device");
        assert_format("{path}", &args, "a\\x0ab\\x1b[31m\\xff");
        assert_format("[{other}]", &args, "[]");
        assert_format("{where}f", &args, "/boot@b/f");
        assert_format("{where}f", &(struct message_args){ .root = "/efi" }, "/efi/f");
        assert_format("x{error}", &(struct message_args){ 0 }, "x");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_complete),
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_format),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
