/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory of its own for each test of lib/os, in $TMPDIR or /tmp, and short words to fill it.
 */
#pragma once

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct scratch {
        char path[256];
        int fd;
};

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static inline int scratch_setup(void **state) {
        const char *base = getenv("TMPDIR");
        struct scratch *scratch = calloc(1, sizeof(*scratch));

        snprintf(scratch->path, sizeof(scratch->path), "%s/bootsync-test-XXXXXX",
                 base && *base ? base : "/tmp");
        if (!mkdtemp(scratch->path))
                return -1;
        scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = scratch;
        return scratch->fd < 0 ? -1 : 0;
}

static inline int scratch_teardown(void **state) {
        struct scratch *scratch = *state;

        close(scratch->fd);
        nftw(scratch->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(scratch);
        return 0;
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

static inline void scratch_mkdir(const struct scratch *scratch, const char *path) {
        if (mkdirat(scratch->fd, path, 0755) < 0)
                fail_msg("mkdir %s: %m", path);
}

static inline void scratch_write_n(const struct scratch *scratch, const char *path,
                                   const void *content, size_t size) {
        int fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, content, size) != (ssize_t) size || close(fd) < 0)
                fail_msg("write %s: %m", path);
}

static inline void scratch_write(const struct scratch *scratch, const char *path,
                                 const char *content) {
        scratch_write_n(scratch, path, content, strlen(content));
}

static inline void scratch_rename(const struct scratch *scratch, const char *from, const char *to) {
        if (renameat(scratch->fd, from, scratch->fd, to) < 0)
                fail_msg("rename %s: %m", from);
}

static inline void scratch_unlink(const struct scratch *scratch, const char *path, bool directory) {
        if (unlinkat(scratch->fd, path, directory ? AT_REMOVEDIR : 0) < 0)
                fail_msg("unlink %s: %m", path);
}

static inline bool scratch_exists(const struct scratch *scratch, const char *path) {
        struct stat st;

        return fstatat(scratch->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The file's content is exactly this. */
static inline void scratch_assert_content(const struct scratch *scratch, const char *path,
                                          const char *content) {
        char text[256] = "";
        int fd = openat(scratch->fd, path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (n < 0)
                fail_msg("read %s: %m", path);
        close(fd);
        assert_string_equal(text, content);
}

/* The time stamp in seconds; the nanoseconds are 0. */
static inline void scratch_set_mtime(const struct scratch *scratch, const char *path, time_t sec) {
        struct timespec times[2] = { { .tv_sec = sec }, { .tv_sec = sec } };

        if (utimensat(scratch->fd, path, times, AT_SYMLINK_NOFOLLOW) < 0)
                fail_msg("utimens %s: %m", path);
}
