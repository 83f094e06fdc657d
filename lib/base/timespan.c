/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A time span is a sum of terms, each a number with a unit. Terms are read one after the other
 * and added with every overflow caught.
 *
 * Left out on purpose: negative spans and calendar terms; months and years are the averages that
 * systemd uses, and are read but never written.
 */
#include "base/timespan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BLANKS " \t\r\n"
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK (7 * USEC_PER_DAY)
#define USEC_PER_MONTH UINT64_C(2629800000000) /* a twelfth of a year */
#define USEC_PER_YEAR UINT64_C(31557600000000) /* 365.25 days */

struct unit {
        const char *name;
        uint64_t usec;
};

static const struct unit units[] = {
        { "", USEC_PER_SEC },
        { "usec", 1 },
        { "us", 1 },
        { "\xc2\xb5s", 1 }, /* U+00B5 micro sign */
        { "\xce\xbcs", 1 }, /* U+03BC Greek small letter mu */
        { "msec", USEC_PER_MSEC },
        { "ms", USEC_PER_MSEC },
        { "seconds", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "s", USEC_PER_SEC },
        { "minutes", USEC_PER_MINUTE },
        { "minute", USEC_PER_MINUTE },
        { "min", USEC_PER_MINUTE },
        { "m", USEC_PER_MINUTE },
        { "hours", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "hr", USEC_PER_HOUR },
        { "h", USEC_PER_HOUR },
        { "days", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "d", USEC_PER_DAY },
        { "weeks", USEC_PER_WEEK },
        { "week", USEC_PER_WEEK },
        { "w", USEC_PER_WEEK },
        { "months", USEC_PER_MONTH },
        { "month", USEC_PER_MONTH },
        { "M", USEC_PER_MONTH },
        { "years", USEC_PER_YEAR },
        { "year", USEC_PER_YEAR },
        { "y", USEC_PER_YEAR },
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static const struct unit *find_unit(const char *name, size_t size) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == size && memcmp(units[i].name, name, size) == 0)
                        return &units[i];
        return NULL;
}

/* The digits before the dot, in units. */
static int parse_whole(const char *digits, size_t n, uint64_t unit, uint64_t *ret_usec) {
        uint64_t value = 0;

        for (size_t i = 0; i < n; i++)
                if (__builtin_mul_overflow(value, 10U, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (digits[i] - '0'), &value))
                        return -ERANGE;
        return __builtin_mul_overflow(value, unit, ret_usec) ? -ERANGE : 0;
}

/* The digits behind the dot; less than a whole unit, and what is below 1 µs is dropped. */
static uint64_t parse_fraction(const char *digits, size_t n, uint64_t unit) {
        uint64_t usec = 0;

        for (size_t i = 0; i < n && unit > 0; i++) {
                unit /= 10;
                usec += unit * (uint64_t) (digits[i] - '0');
        }
        return usec;
}

/* Adds one term, and moves *text behind it and the blanks that follow. */
static int parse_term(const char **text, uint64_t *usec) {
        const char *whole = *text, *fraction = NULL;
        size_t n_whole = strspn(whole, "0123456789"), n_fraction = 0;
        const char *p = whole + n_whole;

        if (*p == '.') {
                fraction = p + 1;
                n_fraction = strspn(fraction, "0123456789");
                if (n_fraction == 0)
                        return -EINVAL;
                p = fraction + n_fraction;
        }
        if (n_whole + n_fraction == 0)
                return -EINVAL;

        p += strspn(p, BLANKS);
        size_t n_unit = strcspn(p, BLANKS "0123456789.");
        const struct unit *unit = find_unit(p, n_unit);
        if (!unit)
                return -EINVAL;
        p += n_unit;

        uint64_t term;
        int r = parse_whole(whole, n_whole, unit->usec, &term);
        if (r < 0)
                return r;
        if (__builtin_add_overflow(*usec, term, usec) ||
            __builtin_add_overflow(*usec, parse_fraction(fraction, n_fraction, unit->usec), usec))
                return -ERANGE;
        *text = p + strspn(p, BLANKS);
        return 0;
}

static bool is_infinity(const char *text) {
        static const char word[] = "infinity";
        size_t size = strcspn(text, BLANKS);

        return size == strlen(word) && memcmp(text, word, size) == 0 &&
               text[size + strspn(text + size, BLANKS)] == '\0';
}

int timespan_parse(const char *text, uint64_t *ret_usec) {
        uint64_t usec = 0;

        text += strspn(text, BLANKS);
        if (is_infinity(text)) {
                *ret_usec = TIMESPAN_INFINITY;
                return 0;
        }
        if (!is_digit(*text) && *text != '.')
                return -EINVAL;
        while (*text != '\0') {
                int r = parse_term(&text, &usec);
                if (r < 0)
                        return r;
        }
        if (usec == TIMESPAN_INFINITY)
                return -ERANGE;
        *ret_usec = usec;
        return 0;
}

int timespan_format(struct buf *buf, uint64_t usec) {
        static const struct unit written[] = {
                { "w", USEC_PER_WEEK },
                { "d", USEC_PER_DAY },
                { "h", USEC_PER_HOUR },
                { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC },
                { "ms", USEC_PER_MSEC },
                { "us", 1 },
        };
        _cleanup_buf_ struct buf text = BUF_INIT;

        if (usec == TIMESPAN_INFINITY)
                return buf_append_string(buf, "infinity");
        if (usec == 0)
                return buf_append_string(buf, "0");

        /* Through a buffer of its own, so that a failure half-way leaves *buf as it was. */
        for (size_t i = 0; i < ELEMENTSOF(written); i++) {
                uint64_t count = usec / written[i].usec;

                usec %= written[i].usec;
                if (count == 0)
                        continue;
                int r = buf_appendf(&text, "%s%" PRIu64 "%s", text.size > 0 ? " " : "", count,
                                    written[i].name);
                if (r < 0)
                        return r;
        }
        return buf_append(buf, buf_string(&text), text.size);
}
