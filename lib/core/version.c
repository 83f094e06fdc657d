/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of the UAPI version format specification. Two versions are walked side by side; each
 * turn of the loop takes one segment from both and goes through the rules in their order:
 *
 *   1. Characters other than letters, digits, '~', '-', '^' and '.' are skipped.
 *   2. '~' (pre-release) is older than anything, even the end of the version.
 *   3. The version that ends first is older.
 *   4. '-' (release), then '^' (snapshot after a release), then '.' (point release) are each older
 *      than what may stand there instead.
 *   5. Numbers are newer than letters. They are compared by length and then by digits, leading
 *      zeros aside, so no length overflows.
 *   6. Letters are compared in ASCII order, capitals first; the longer of equal ones is newer.
 *
 * A separator that both have is taken off, and the next rule goes on behind it; rule 1 applies
 * again only in the next turn. Hence "6.10.0" < "6.10.0-rc3", and "6.10.0~rc3" < "6.10.0".
 *
 * Left out on purpose: the locale, and strverscmp(3), which knows neither '~' nor '^'.
 */
#include "core/version.h"

#include <string.h>

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_separator(char c) {
        return c == '~' || c == '-' || c == '^' || c == '.';
}

static const char *skip_foreign(const char *s) {
        while (*s != '\0' && !is_digit(*s) && !is_letter(*s) && !is_separator(*s))
                s++;
        return s;
}

static int order(size_t a, size_t b) {
        return (a > b) - (a < b);
}

/* One separator: whoever has it alone is older; if both have it, they move behind it. */
static int compare_separator(char separator, const char **a, const char **b) {
        bool in_a = **a == separator, in_b = **b == separator;

        if (in_a && in_b) {
                (*a)++;
                (*b)++;
        }
        return (int) in_b - (int) in_a;
}

/* The numbers that both begin with; none at all is older than any, even 0. */
static int compare_numbers(const char **a, const char **b) {
        const char *start_a = *a, *start_b = *b;

        while (is_digit(**a))
                (*a)++;
        while (is_digit(**b))
                (*b)++;
        if (*a == start_a || *b == start_b)
                return order((size_t) (*a - start_a), (size_t) (*b - start_b));

        while (start_a < *a && *start_a == '0')
                start_a++;
        while (start_b < *b && *start_b == '0')
                start_b++;

        size_t size_a = (size_t) (*a - start_a), size_b = (size_t) (*b - start_b);
        if (size_a != size_b)
                return order(size_a, size_b);
        return memcmp(start_a, start_b, size_a);
}

static int compare_letters(const char **a, const char **b) {
        const char *start_a = *a, *start_b = *b;

        while (is_letter(**a))
                (*a)++;
        while (is_letter(**b))
                (*b)++;

        size_t size_a = (size_t) (*a - start_a), size_b = (size_t) (*b - start_b);
        int r = memcmp(start_a, start_b, size_a < size_b ? size_a : size_b);
        return r != 0 ? r : order(size_a, size_b);
}

int version_compare(const char *a, const char *b) {
        static const char after_end[] = { '-', '^', '.' };

        for (;;) {
                a = skip_foreign(a);
                b = skip_foreign(b);

                int r = compare_separator('~', &a, &b);
                if (r != 0)
                        return r;
                if (*a == '\0' || *b == '\0')
                        return (*a != '\0') - (*b != '\0');

                for (size_t i = 0; i < ELEMENTSOF(after_end); i++) {
                        r = compare_separator(after_end[i], &a, &b);
                        if (r != 0)
                                return r;
                }

                r = is_digit(*a) || is_digit(*b) ? compare_numbers(&a, &b)
                                                 : compare_letters(&a, &b);
                if (r != 0)
                        return r;
        }
}

bool version_is_kernel(const char *name) {
        static const char rescue[] = "0-rescue";
        size_t size = strlen(rescue);

        if (!is_digit(*name))
                return false;
        /* With the machine id behind it, it is the same one in another layout. */
        return strncmp(name, rescue, size) != 0 || (name[size] != '\0' && name[size] != '-');
}
