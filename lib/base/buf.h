/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing byte string, always NUL-terminated behind its last byte.
 *
 * Every appending function returns 0, or -ENOMEM and leaves the buffer as it was.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
        char *data;  /* NULL while nothing was appended; use buf_string() to read */
        size_t size; /* bytes in use, without the final NUL */
        size_t room; /* bytes allocated */
};

#define BUF_INIT ((struct buf){ 0 })

/* Frees the content. The buffer is empty and usable again. */
void buf_done(struct buf *buf);
#define _cleanup_buf_ _cleanup_(buf_done)

/* The content as a string; "" while empty. Valid until the next change. */
const char *buf_string(const struct buf *buf);

/* Hands the content to the caller, who frees it; NULL on lack of memory. */
char *buf_steal(struct buf *buf);

_must_check_ int buf_append(struct buf *buf, const void *data, size_t size);
_must_check_ int buf_append_string(struct buf *buf, const char *text);
_must_check_ _printf_(2, 3) int buf_appendf(struct buf *buf, const char *format, ...);

/*
 * Appends a name that came from a file system so that it can stand in a log line: printable UTF-8
 * is kept, a backslash is doubled, and control characters and bytes that are no UTF-8 become \xNN.
 */
_must_check_ int buf_append_escaped(struct buf *buf, const char *name, size_t size);

/* Undoes buf_append_escaped(). -EINVAL: no text that it could have written. */
_must_check_ int buf_append_unescaped(struct buf *buf, const char *text, size_t size);
