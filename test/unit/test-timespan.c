/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time spans: golden values, golden refusals, and the round trip.
 */
#include "base/timespan.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static void test_parse(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } golden[] = {
                { "0", 0 },
                { "0s", 0 },
                { "2", 2 * USEC_PER_SEC },
                { "2s", 2 * USEC_PER_SEC },
                { "2 s", 2 * USEC_PER_SEC },
                { "  2s\t", 2 * USEC_PER_SEC },
                { "2sec", 2 * USEC_PER_SEC },
                { "1second", USEC_PER_SEC },
                { "2seconds", 2 * USEC_PER_SEC },
                { "500ms", 500 * USEC_PER_MSEC },
                { "500msec", 500 * USEC_PER_MSEC },
                { "7us", 7 },
                { "7usec", 7 },
                { "7\xc2\xb5s", 7 },
                { "7\xce\xbcs", 7 },
                { "5m", 5 * MINUTE },
                { "5min", 5 * MINUTE },
                { "1minute", MINUTE },
                { "5minutes", 5 * MINUTE },
                { "3h", 3 * HOUR },
                { "3hr", 3 * HOUR },
                { "1hour", HOUR },
                { "3hours", 3 * HOUR },
                { "1d", DAY },
                { "1day", DAY },
                { "2days", 2 * DAY },
                { "1w", 7 * DAY },
                { "1week", 7 * DAY },
                { "2weeks", 14 * DAY },
                { "1M", UINT64_C(2629800000000) },
                { "1month", UINT64_C(2629800000000) },
                { "12months", UINT64_C(31557600000000) },
                { "1y", UINT64_C(31557600000000) },
                { "1year", UINT64_C(31557600000000) },
                { "2years", 2 * UINT64_C(31557600000000) },
                { "1h 30min", HOUR + 30 * MINUTE },
                { "1h30min", HOUR + 30 * MINUTE },
                { "30min 1h", HOUR + 30 * MINUTE },
                { "1min 30", MINUTE + 30 * USEC_PER_SEC },
                { "1s 1s", 2 * USEC_PER_SEC },
                { "1.5s", 1500 * USEC_PER_MSEC },
                { "1.5", 1500 * USEC_PER_MSEC },
                { ".5s", 500 * USEC_PER_MSEC },
                { "0.25h", 15 * MINUTE },
                { "1.000001s", USEC_PER_SEC + 1 },
                { "1.0000019s", USEC_PER_SEC + 1 },
                { "0.99999999999999999999999999us", 0 },
                { "007s", 7 * USEC_PER_SEC },
                { "18446744073709551614us", UINT64_MAX - 1 },
                { "000000000000000000000000000000001s", USEC_PER_SEC },
                { "infinity", TIMESPAN_INFINITY },
                { " infinity ", TIMESPAN_INFINITY },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                uint64_t usec = 4711;
                int r = timespan_parse(golden[i].text, &usec);

                if (r != 0 || usec != golden[i].usec)
                        fail_msg("'%s': %d, %" PRIu64, golden[i].text, r, usec);
        }
}

static void test_parse_refuses(void **state) {
        static const struct {
                const char *text;
                int r;
        } golden[] = {
                { "", -EINVAL },
                { " ", -EINVAL },
                { "s", -EINVAL },
                { ".", -EINVAL },
                { ".s", -EINVAL },
                { "1.", -EINVAL },
                { "1.s", -EINVAL },
                { "1.5.5s", 0 }, /* 1.5 and .5 seconds: terms need no blank between them */
                { "-1s", -EINVAL },
                { "+1s", -EINVAL },
                { "1s -1s", -EINVAL },
                { "1 s s", -EINVAL },
                { "1S", -EINVAL },
                { "1Min", -EINVAL },
                { "1fortnight", -EINVAL },
                { "1ss", -EINVAL },
                { "1s,", -EINVAL },
                { "0x10", -EINVAL },
                { "1e3", -EINVAL },
                { "Infinity", -EINVAL },
                { "infinity s", -EINVAL },
                { "1 infinity", -EINVAL },
                { "infinity 1", -EINVAL },
                { "infinit", -EINVAL },
                { "infinityy", -EINVAL },
                { "\xc2", -EINVAL },
                { "1\xc2", -EINVAL },
                { "18446744073709551615us", -ERANGE },
                { "18446744073709551616us", -ERANGE },
                { "18446744073709551614us 1us", -ERANGE },
                { "18446744073709551614us 2us", -ERANGE },
                { "18446744073709551615s", -ERANGE },
                { "99999999999999999999999s", -ERANGE },
                { "600000years", -ERANGE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                uint64_t usec = 4711;
                int r = timespan_parse(golden[i].text, &usec);

                if (r != golden[i].r || (r < 0 && usec != 4711))
                        fail_msg("'%s': %d, %" PRIu64, golden[i].text, r, usec);
        }
}

static void test_format(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } golden[] = {
                { 0, "0" },
                { 1, "1us" },
                { 999, "999us" },
                { USEC_PER_MSEC, "1ms" },
                { 1500 * USEC_PER_MSEC, "1s 500ms" },
                { 90 * USEC_PER_SEC, "1min 30s" },
                { HOUR, "1h" },
                { 24 * HOUR, "1d" },
                { 8 * DAY, "1w 1d" },
                { 8 * DAY + 2 * HOUR + 3 * MINUTE + 4005006, "1w 1d 2h 3min 4s 5ms 6us" },
                { TIMESPAN_INFINITY, "infinity" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                _cleanup_buf_ struct buf buf = BUF_INIT;

                assert_int_equal(buf_append_string(&buf, "x"), 0);
                assert_int_equal(timespan_format(&buf, golden[i].usec), 0);
                assert_string_equal(buf_string(&buf) + 1, golden[i].text);
        }
}

/* Numbers of every magnitude come back as they went. */
static void test_round_trip(void **state) {
        uint64_t usec = 1;

        (void) state;
        for (int i = 0; i < 5000; i++) {
                _cleanup_buf_ struct buf buf = BUF_INIT;
                uint64_t back = 0, value = usec >> (i % 64);

                assert_int_equal(timespan_format(&buf, value), 0);
                assert_int_equal(timespan_parse(buf_string(&buf), &back), 0);
                if (back != value)
                        fail_msg("%" PRIu64 " came back as %" PRIu64, value, back);
                usec = usec * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_refuses),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
