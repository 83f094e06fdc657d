/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files of other file systems than an ESP: variables, settings, state, lists of names.
 *
 * Left out on purpose: the size that stat() tells. efivarfs, procfs and sysfs say something else
 * than what read() returns, so reading goes on until it says end of file.
 */
#include "os/slurp.h"

#include "os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SLURP_PIECE (16U * 1024U)

static int slurp_open(int dirfd, const char *path, int *ret_fd) {
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -ENXIO;
        *ret_fd = steal_fd(&fd);
        return 0;
}

int slurp(int dirfd, const char *path, size_t max, struct buf *ret_content) {
        _cleanup_buf_ struct buf content = BUF_INIT;
        _cleanup_close_ int fd = -1;
        char piece[SLURP_PIECE];
        int r;

        r = slurp_open(dirfd, path, &fd);
        if (r < 0)
                return r;
        for (;;) {
                ssize_t n = io_read(fd, piece, sizeof(piece));

                if (n < 0)
                        return (int) n;
                if ((size_t) n > max - content.size)
                        return -EFBIG;
                r = buf_append(&content, piece, (size_t) n);
                if (r < 0)
                        return r;
                if ((size_t) n < sizeof(piece))
                        break;
        }
        *ret_content = content;
        content = BUF_INIT;
        return 0;
}

static int slurp_write_new(int dirfd, const char *name, const void *content, size_t size) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = io_write(fd, content, size);
        if (r < 0)
                return r;
        return io_fsync(fd);
}

/* The temporary name is always the same, so that a crash leaves one file behind and no more. */
int slurp_replace(int dirfd, const char *name, const void *content, size_t size) {
        _cleanup_close_ int directory = -1;
        _cleanup_free_ char *temp = NULL;
        int r;

        if (asprintf(&temp, ".%s.tmp", name) < 0) {
                temp = NULL;
                return -ENOMEM;
        }
        directory = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return -errno;
        if (unlinkat(dirfd, temp, 0) < 0 && errno != ENOENT)
                return -errno;
        r = slurp_write_new(dirfd, temp, content, size);
        if (r == 0 && renameat(dirfd, temp, dirfd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dirfd, temp, 0);
                return r;
        }
        return io_fsync(directory);
}

int slurp_append(int dirfd, const char *name, const void *content, size_t size) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = openat(dirfd, name,
                    O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ENXIO;
        r = io_write(fd, content, size);
        if (r < 0) {
                /* a half line would hide whatever is appended behind it */
                if (ftruncate(fd, st.st_size) < 0)
                        return -errno;
                return r;
        }
        return io_fsync(fd);
}

static bool slurp_is_directory(int fd, const struct dirent *entry) {
        struct stat st;

        if (entry->d_type != DT_UNKNOWN)
                return entry->d_type == DT_DIR;
        return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int slurp_names(const char *path, bool directories_only, struct strlist *ret_names) {
        _cleanup_strlist_ struct strlist names = STRLIST_INIT;
        _cleanup_closedir_ DIR *dir = opendir(path);
        int r;

        if (!dir)
                return -errno;
        for (;;) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry && errno > 0)
                        return -errno;
                if (!entry)
                        break;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (directories_only && !slurp_is_directory(dirfd(dir), entry))
                        continue;
                r = strlist_add(&names, entry->d_name);
                if (r < 0)
                        return r;
        }
        strlist_sort(&names);
        *ret_names = names;
        names = STRLIST_INIT;
        return 0;
}
