/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything here works on the bytes of a path; no file system is asked.
 *
 * Left out on purpose: folding beyond ASCII. The kernel's vfat folds by its own tables, and a
 * second set of tables could only disagree with it; two names that differ by an umlaut's case
 * are taken for two names, and the file system has the last word.
 */
#include "base/relpath.h"
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#define FAT_NAME_UNITS_MAX 255U

static unsigned char fold(char c) {
        return (unsigned char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Whether size bytes can be a component: not empty, "." or "..". */
static bool component_valid(const char *name, size_t size) {
        if (size == 0)
                return false;
        return name[0] != '.' || (size > 1 && (name[1] != '.' || size > 2));
}

bool relpath_valid(const char *path) {
        if (*path == '\0')
                return true;
        for (;;) {
                size_t size = strcspn(path, "/");

                if (!component_valid(path, size))
                        return false;
                if (path[size] == '\0')
                        return true;
                path += size + 1;
        }
}

/* The end of the path sorts first, then the slash, then all other bytes. */
static int rank(char c) {
        if (c == '\0')
                return 0;
        return c == '/' ? 1 : fold(c) + 1;
}

int relpath_compare(const char *a, const char *b) {
        while (*a != '\0' && rank(*a) == rank(*b)) {
                a++;
                b++;
        }
        return rank(*a) - rank(*b);
}

bool relpath_equal(const char *a, const char *b) {
        return relpath_compare(a, b) == 0;
}

bool relpath_below(const char *path, const char *dir) {
        if (*dir == '\0')
                return true;
        while (*dir != '\0') {
                if (rank(*path) != rank(*dir))
                        return false;
                path++;
                dir++;
        }
        return *path == '\0' || *path == '/';
}

const char *relpath_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

size_t relpath_dir_length(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? (size_t) (slash - path) : 0;
}

char *relpath_join(const char *dir, const char *name) {
        char *path;

        if (*dir == '\0')
                return strdup(name);
        return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static bool fat_holds(uint32_t code) {
        return code >= 0x20 && (code >= 0x80 || !strchr("*?<>|\":\\/", (int) code));
}

bool relpath_name_fits_fat(const char *name) {
        size_t size = strlen(name), units = 0;

        /* The kernel drops trailing dots, other systems drop blanks: the name would be another. */
        if (size == 0 || name[size - 1] == '.' || name[size - 1] == ' ')
                return false;

        for (size_t i = 0, used; i < size; i += used) {
                uint32_t code;

                used = utf8_decode(name + i, size - i, &code);
                if (used == 0 || !fat_holds(code))
                        return false;
                units += code >= 0x10000 ? 2 : 1;
        }
        return units <= FAT_NAME_UNITS_MAX;
}
