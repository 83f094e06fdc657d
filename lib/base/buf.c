/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One allocation that doubles. Room for the final NUL is part of every growth, so the content can
 * always be read as a string.
 *
 * The escaped form is made for log lines, state files and terminals alike: it keeps what a reader
 * can see, and nothing that moves a cursor, breaks a line or reverses the direction of text. It is
 * unambiguous: a name has one escaped form, and buf_append_unescaped() takes no other.
 */
#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#define ROOM_FIRST 64U

void buf_done(struct buf *buf) {
        free(buf->data);
        *buf = BUF_INIT;
}

const char *buf_string(const struct buf *buf) {
        return buf->data ? buf->data : "";
}

char *buf_steal(struct buf *buf) {
        char *text = buf->data ? buf->data : strdup("");

        *buf = BUF_INIT;
        return text;
}

/* Makes room for more bytes and a NUL behind them. */
static int buf_reserve(struct buf *buf, size_t more) {
        if (more >= SIZE_MAX / 2 - buf->size)
                return -ENOMEM;

        size_t needed = buf->size + more + 1;
        if (needed <= buf->room)
                return 0;

        size_t room = buf->room > 0 ? buf->room : ROOM_FIRST;
        while (room < needed)
                room *= 2;

        char *data = realloc(buf->data, room);
        if (!data)
                return -ENOMEM;
        data[buf->size] = '\0';
        buf->data = data;
        buf->room = room;
        return 0;
}

/* Takes back what was appended beyond size, for functions that append in several steps. */
static void buf_truncate(struct buf *buf, size_t size) {
        buf->size = size;
        if (buf->data)
                buf->data[size] = '\0';
}

int buf_append(struct buf *buf, const void *data, size_t size) {
        int r = buf_reserve(buf, size);
        if (r < 0)
                return r;

        if (size > 0)
                memcpy(buf->data + buf->size, data, size);
        buf_truncate(buf, buf->size + size);
        return 0;
}

int buf_append_string(struct buf *buf, const char *text) {
        return buf_append(buf, text, strlen(text));
}

int buf_appendf(struct buf *buf, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;

        va_start(args, format);
        int size = vasprintf(&text, format, args);
        va_end(args);
        if (size < 0) {
                text = NULL; /* undefined after a failure */
                return -ENOMEM;
        }
        return buf_append(buf, text, (size_t) size);
}

/*
 * Whether a character shows as itself. Controls do not, nor do the separators and direction marks
 * of Unicode, with which a name can disguise itself on a terminal.
 */
static bool is_shown(uint32_t code) {
        if (code < 0x20 || (code >= 0x7f && code < 0xa0))
                return false;
        if (code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e))
                return false;
        return code != 0xfeff && (code < 0x2066 || code > 0x2069);
}

/* Appends the first character of name, and tells how many bytes that were. */
static int append_escaped_one(struct buf *buf, const char *name, size_t size, size_t *ret_used) {
        uint32_t code;
        size_t used = utf8_decode(name, size, &code);

        if (used == 0 || !is_shown(code)) {
                *ret_used = 1;
                return buf_appendf(buf, "\\x%02x", (unsigned char) name[0]);
        }
        *ret_used = used;
        if (code == '\\')
                return buf_append(buf, "\\\\", 2);
        return buf_append(buf, name, used);
}

int buf_append_escaped(struct buf *buf, const char *name, size_t size) {
        size_t before = buf->size;

        for (size_t i = 0, used; i < size; i += used) {
                int r = append_escaped_one(buf, name + i, size - i, &used);

                if (r < 0) {
                        buf_truncate(buf, before);
                        return r;
                }
        }
        return 0;
}

static int hex_value(char digit) {
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        return -1;
}

/* Reads one escape or one plain byte; returns how many bytes of text it took, or 0. */
static size_t unescape_one(const char *text, size_t size, char *ret_byte) {
        if (text[0] != '\\') {
                *ret_byte = text[0];
                return 1;
        }
        if (size >= 2 && text[1] == '\\') {
                *ret_byte = '\\';
                return 2;
        }
        if (size < 4 || text[1] != 'x')
                return 0;

        int high = hex_value(text[2]), low = hex_value(text[3]);
        if (high < 0 || low < 0)
                return 0;
        *ret_byte = (char) (high << 4 | low);
        return 4;
}

int buf_append_unescaped(struct buf *buf, const char *text, size_t size) {
        _cleanup_buf_ struct buf name = BUF_INIT, again = BUF_INIT;
        int r;

        for (size_t i = 0, used; i < size; i += used) {
                char byte = 0;

                used = unescape_one(text + i, size - i, &byte);
                if (used == 0)
                        return -EINVAL;
                r = buf_append(&name, &byte, 1);
                if (r < 0)
                        return r;
        }

        /* Escaping the result must give the text back: this refuses every second spelling. */
        r = buf_append_escaped(&again, buf_string(&name), name.size);
        if (r < 0)
                return r;
        if (again.size != size || memcmp(buf_string(&again), text, size) != 0)
                return -EINVAL;
        return buf_append(buf, buf_string(&name), name.size);
}
