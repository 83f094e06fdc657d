/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first byte tells the length; the value must need that length, so that each character has
 * one spelling. No tables, no locale: names on an ESP are UTF-8, whatever the environment says.
 */
#include "base/utf8.h"

static size_t sequence_length(unsigned char first) {
        if (first < 0x80)
                return 1;
        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if (first >= 0xe0 && first <= 0xef)
                return 3;
        if (first >= 0xf0 && first <= 0xf4)
                return 4;
        return 0;
}

/* The least code point that needs so many bytes: below it, the form is overlong. */
static uint32_t least_code(size_t length) {
        if (length == 4)
                return 0x10000;
        if (length == 3)
                return 0x800;
        return length == 2 ? 0x80 : 0;
}

size_t utf8_decode(const char *text, size_t size, uint32_t *ret_code) {
        if (size == 0)
                return 0;

        unsigned char first = (unsigned char) text[0];
        size_t length = sequence_length(first);
        if (length == 0 || length > size)
                return 0;

        uint32_t code = length == 1 ? first : first & (0xffU >> (length + 1));
        for (size_t i = 1; i < length; i++) {
                unsigned char next = (unsigned char) text[i];

                if ((next & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (next & 0x3fU);
        }
        if (code < least_code(length) || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;
        *ret_code = code;
        return length;
}
