/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock and the baselines.
 *
 * The lock belongs to the open file, so it vanishes with the process however that ends. The file
 * itself stays: removing it would let two processes lock two files of the same name. Should somebody
 * else remove it, the lock on the orphan counts for nothing, which is why its place is checked.
 */
#include "os/state.h"

#include "os/io.h"
#include "os/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define STATE_LOCK_NAME "lock"
#define STATE_LOCK_TRIES 16
#define STATE_SUFFIX ".base"
#define STATE_PARTITION_MAX 64
#define STATE_NAME_SIZE (STATE_PARTITION_MAX + sizeof(STATE_SUFFIX))

static int state_open_directory(const char *directory, int *ret_fd) {
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int state_make_directory(const char *directory, mode_t mode, int *ret_fd) {
        if (mkdir(directory, mode) < 0 && errno != EEXIST)
                return -errno;
        return state_open_directory(directory, ret_fd);
}

/* The process id in the lock file, 0 if there is none that makes sense. */
static pid_t state_read_holder(int fd) {
        char text[16] = "";
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        char *end;
        long pid;

        if (n <= 0)
                return 0;
        text[n] = '\0';
        pid = strtol(text, &end, 10);
        return end != text && *end == '\n' && pid > 0 && pid <= INT32_MAX ? (pid_t) pid : 0;
}

/* Whether the open file is still the one that others find below its name. */
static bool state_in_place(int dirfd, int fd) {
        struct stat here, there;

        return fstat(fd, &here) == 0 &&
               fstatat(dirfd, STATE_LOCK_NAME, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
               here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* 0, STATE_LOCKED, -EAGAIN if another file took the place meanwhile. */
static int state_try_lock(int dirfd, int *ret_fd, pid_t *ret_holder) {
        const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
        _cleanup_close_ int fd = openat(dirfd, STATE_LOCK_NAME, flags, 0644);
        int r;

        if (fd < 0)
                return -errno;
        do
                r = flock(fd, LOCK_EX | LOCK_NB);
        while (r < 0 && errno == EINTR);
        if (r < 0 && errno != EWOULDBLOCK)
                return -errno;
        if (!state_in_place(dirfd, fd))
                return -EAGAIN;
        if (r < 0) {
                *ret_holder = state_read_holder(fd);
                return STATE_LOCKED;
        }
        *ret_fd = steal_fd(&fd);
        return 0;
}

static int state_write_holder(int fd) {
        char text[16];
        int n = snprintf(text, sizeof(text), "%d\n", (int) getpid());

        if (ftruncate(fd, 0) < 0)
                return -errno;
        return io_write(fd, text, (size_t) n);
}

int state_lock(const char *directory, int *ret_fd, pid_t *ret_holder) {
        _cleanup_close_ int dirfd = -1, fd = -1;
        int r;

        r = state_make_directory(directory, 0755, &dirfd);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < STATE_LOCK_TRIES; i++) {
                r = state_try_lock(dirfd, &fd, ret_holder);
                if (r != -EAGAIN)
                        break;
        }
        if (r != 0)
                return r;
        r = state_write_holder(fd);
        if (r < 0)
                return r;
        *ret_fd = steal_fd(&fd);
        return 0;
}

/* The partition's id comes from udev or a link's name: nothing but what such an id is made of may
 * become part of a path. */
static int state_name(const char *partition, char ret_name[static STATE_NAME_SIZE]) {
        size_t length = strlen(partition);

        if (length == 0 || length > STATE_PARTITION_MAX ||
            strspn(partition, "0123456789abcdef-") != length)
                return -EINVAL;
        snprintf(ret_name, STATE_NAME_SIZE, "%s" STATE_SUFFIX, partition);
        return 0;
}

int state_load(const char *directory, const char *target, const char *source,
               struct baseline *ret_baseline, bool *ret_rewrite) {
        _cleanup_buf_ struct buf text = BUF_INIT;
        _cleanup_close_ int dirfd = -1;
        char name[STATE_NAME_SIZE];
        int r;

        r = state_name(target, name);
        if (r < 0)
                return r;
        r = state_open_directory(directory, &dirfd);
        if (r == 0)
                r = slurp(dirfd, name, STATE_SIZE_MAX, &text);
        if (r == -ENOENT)
                return STATE_NONE;
        if (r < 0)
                return r;
        r = baseline_parse(buf_string(&text), text.size, source, ret_baseline);
        if (r < 0)
                return r;
        if (r == BASELINE_FOREIGN)
                return STATE_NONE;
        *ret_rewrite = r == BASELINE_TORN;
        return 0;
}

static int state_format(struct buf *text, const struct baseline *baseline) {
        int r;

        r = baseline_format_head(text, baseline->source);
        for (size_t i = 0; r == 0 && i < baseline->n; i++)
                r = baseline_format_record(text, &baseline->records[i]);
        return r;
}

int state_store(const char *directory, const char *target, const struct baseline *baseline) {
        _cleanup_buf_ struct buf text = BUF_INIT;
        _cleanup_close_ int dirfd = -1;
        char name[STATE_NAME_SIZE];
        int r;

        r = state_name(target, name);
        if (r < 0)
                return r;
        r = state_format(&text, baseline);
        if (r < 0)
                return r;
        r = state_make_directory(directory, 0700, &dirfd);
        if (r < 0)
                return r;
        return slurp_replace(dirfd, name, buf_string(&text), text.size);
}

int state_append(const char *directory, const char *target, const struct buf *lines,
                 size_t *ret_size) {
        _cleanup_close_ int dirfd = -1;
        char name[STATE_NAME_SIZE];
        struct stat st;
        int r;

        r = state_name(target, name);
        if (r < 0)
                return r;
        r = state_open_directory(directory, &dirfd);
        if (r < 0)
                return r;
        r = slurp_append(dirfd, name, buf_string(lines), lines->size);
        if (r < 0)
                return r;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        *ret_size = (size_t) st.st_size;
        return 0;
}
