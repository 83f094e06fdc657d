/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads entries as systemd-boot does, because what it will start is what matters: lines end at
 * carriage return or newline, blanks are spaces and tabs, a NUL ends the text, a key may stand
 * several times, and quotes around a value are dropped.
 *
 * Where boot loaders differ, more is taken for a reference rather than less: an entry with one
 * reference too many is held back and reported, one with a reference too few may not boot.
 *
 * Left out on purpose: all keys that name no file of the ESP (title, options, uki-url, …).
 */
#include "core/entry.h"
#include "base/buf.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define COUNTER_DIGITS_MAX 9U
#define DIGITS "0123456789"

/* Where the parts of "DIR/STEM+LEFT-DONE.conf" lie. */
struct entry_name {
        size_t stem;   /* length of DIR/STEM */
        size_t suffix; /* where ".conf" begins; equal to stem without a counter */
        struct entry_counter counter;
};

/* Where the suffix of an entry begins, or the end of a path that is none. FAT folds its case. */
static size_t suffix_offset(const char *path) {
        static const char *const suffixes[] = { ".conf", ".efi" };
        size_t size = strlen(path);

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t n = strlen(suffixes[i]);

                if (size > n && strcasecmp(path + size - n, suffixes[i]) == 0)
                        return size - n;
        }
        return size;
}

/* Reads a number that ends before *offset, and moves *offset to its first digit. */
static bool number_before(const char *path, size_t *offset, unsigned *ret_number) {
        size_t end = *offset, start = end;

        while (start > 0 && strchr(DIGITS, path[start - 1]))
                start--;
        if (start == end || end - start > COUNTER_DIGITS_MAX)
                return false;

        unsigned number = 0;
        for (size_t i = start; i < end; i++)
                number = number * 10 + (unsigned) (path[i] - '0');
        *offset = start;
        *ret_number = number;
        return true;
}

/* Read from the back, as the counter is the last thing before the suffix. */
static struct entry_name entry_split(const char *path) {
        size_t suffix = suffix_offset(path), at = suffix;
        struct entry_name name = { .stem = suffix, .suffix = suffix };
        struct entry_counter counter = { .present = true };

        if (path[suffix] == '\0' || !number_before(path, &at, &counter.left))
                return name;
        if (at > 0 && path[at - 1] == '-') {
                counter.done = counter.left;
                at--;
                if (!number_before(path, &at, &counter.left))
                        return name;
        }
        if (at == 0 || path[at - 1] != '+')
                return name;
        at--;
        /* A counter alone is no counter: there would be no name left. */
        if (at == 0 || path[at - 1] == '/')
                return name;
        return (struct entry_name){ .stem = at, .suffix = suffix, .counter = counter };
}

struct entry_counter entry_counter(const char *path) {
        return entry_split(path).counter;
}

char *entry_identity(const char *path) {
        struct entry_name name = entry_split(path);
        char *identity;

        if (asprintf(&identity, "%.*s%s", (int) name.stem, path, path + name.suffix) < 0)
                return NULL;
        return identity;
}

char *entry_counted(const char *identity, unsigned left) {
        size_t suffix = suffix_offset(identity);
        char *path;

        if (asprintf(&path, "%.*s+%u%s", (int) suffix, identity, left, identity + suffix) < 0)
                return NULL;
        return path;
}

/* Appends a path as the boot loader finds it: from the root, and with either kind of slash. */
static int add_ref(struct strlist *refs, const char *path, size_t size) {
        _cleanup_buf_ struct buf ref = BUF_INIT;
        bool after_slash = true;

        for (size_t i = 0; i < size; i++) {
                char c = path[i];

                if (c == '\\')
                        c = '/';
                if (c != '/' || !after_slash) {
                        int r = buf_append(&ref, &c, 1);
                        if (r < 0)
                                return r;
                }
                after_slash = c == '/';
        }
        /* The root itself is no file; "" would be well-formed, "/" is what nothing has. */
        return strlist_add(refs, ref.size > 0 ? buf_string(&ref) : "/");
}

static int add_refs_of_words(struct strlist *refs, const char *text, size_t size) {
        for (size_t i = 0, n; i < size; i += n) {
                n = 0;
                while (i + n < size && !strchr(" \t", text[i + n]))
                        n++;
                if (n == 0) {
                        n = 1;
                        continue;
                }
                int r = add_ref(refs, text + i, n);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool key_is(const char *key, size_t size, const char *name) {
        return strlen(name) == size && memcmp(key, name, size) == 0;
}

/* One "key value", no blanks around it. */
static int add_line(struct strlist *refs, const char *line, size_t size, bool *has_kernel) {
        size_t key = 0, value;

        while (key < size && !strchr(" \t", line[key]))
                key++;
        for (value = key; value < size && strchr(" \t", line[value]);)
                value++;
        if (line[0] == '#' || value == size)
                return 0;
        if (key_is(line, key, "devicetree-overlay"))
                return add_refs_of_words(refs, line + value, size - value);

        bool kernel =
                key_is(line, key, "linux") || key_is(line, key, "efi") || key_is(line, key, "uki");
        if (!kernel && !key_is(line, key, "initrd") && !key_is(line, key, "devicetree"))
                return 0;
        *has_kernel |= kernel;
        if (size - value >= 2 && line[value] == '"' && line[size - 1] == '"') {
                value++;
                size--;
        }
        return add_ref(refs, line + value, size - value);
}

int entry_refs(const char *text, size_t size, struct strlist *refs) {
        bool has_kernel = false;

        size = strnlen(text, size);
        for (size_t i = 0, end; i < size; i = end + 1) {
                for (end = i; end < size && !strchr("\r\n", text[end]);)
                        end++;

                size_t start = i, stop = end;
                while (start < stop && strchr(" \t", text[start]))
                        start++;
                while (stop > start && strchr(" \t", text[stop - 1]))
                        stop--;
                if (start == stop)
                        continue;

                int r = add_line(refs, text + start, stop - start, &has_kernel);
                if (r < 0)
                        return r;
        }
        return has_kernel ? 0 : ENTRY_NO_KERNEL;
}
