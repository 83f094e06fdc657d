/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of a put: copied, flushed, read back.
 *
 * Left out on purpose, as measured: copy_file_range(), which does not cross file systems; splice,
 * io_uring and larger buffers, which are no faster; O_DIRECT, which vfat turns into buffered writes.
 */
#include "os/apply-internal.h"

#include "os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* How much may be under way to the disk. */
#define COPY_AHEAD (16U * 1024U * 1024U)

static int copy_source_failed(struct apply_result *result, const char *where, int r) {
        result->error = -r;
        result->where = where;
        return APPLY_SOURCE_ERROR;
}

static int copy_progress(const struct apply *apply, size_t n) {
        if (!apply->hooks.on_progress)
                return 0;
        return apply->hooks.on_progress(n, apply->hooks.userdata) != 0 ? APPLY_STOPPED : 0;
}

/* Finds out early that there is no room, at the price of no extra write. */
static int copy_reserve(int temp, uint64_t size, struct apply_result *result) {
        int r;

        if (size == 0)
                return 0;
        do
                r = fallocate(temp, FALLOC_FL_KEEP_SIZE, 0, (off_t) size);
        while (r < 0 && errno == EINTR);
        if (r == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
                return 0;
        return apply_target_failed(result, "fallocate", -errno);
}

/*
 * The disk works while the next piece is read. What is COPY_AHEAD behind is waited for: so progress
 * means that the disk took it, and the flush at the end is short, on the slowest disk. An error that
 * is told here is not told again by fsync(). What a file system cannot do is left to fsync().
 */
static int copy_push(int temp, uint64_t offset, uint64_t size) {
        const unsigned wait =
                SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

        (void) sync_file_range(temp, (off_t) offset, (off_t) size, SYNC_FILE_RANGE_WRITE);
        if (offset < COPY_AHEAD ||
            sync_file_range(temp, (off_t) (offset - COPY_AHEAD), (off_t) size, wait) == 0)
                return 0;
        return errno == ENOSYS || errno == EINVAL || errno == ESPIPE || errno == EINTR ? 0 : -errno;
}

static int copy_pieces(struct apply *apply, int source, uint64_t size, int temp,
                       struct digest_state *digest, struct apply_result *result) {
        for (;;) {
                ssize_t n = io_read(source, apply->buffer, APPLY_BUFFER_SIZE);
                int r;

                if (n < 0)
                        return copy_source_failed(result, "read", (int) n);
                if ((uint64_t) n > size - result->bytes)
                        return APPLY_SOURCE_CHANGED;
                if (n == 0)
                        return result->bytes == size ? 0 : APPLY_SOURCE_CHANGED;
                digest_state_add(digest, apply->buffer, (size_t) n);
                r = io_write(temp, apply->buffer, (size_t) n);
                if (r < 0)
                        return apply_target_failed(result, "write", r);
                r = copy_push(temp, result->bytes, (uint64_t) n);
                if (r < 0)
                        return apply_target_failed(result, "write", r);
                result->bytes += (uint64_t) n;
                r = copy_progress(apply, (size_t) n);
                if (r != 0)
                        return r;
        }
}

int apply_copy(struct apply *apply, int source, const struct stat *before, int temp,
               struct apply_result *result) {
        _cleanup_digest_state_ struct digest_state *digest = digest_state_new();
        const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, before->st_mtim };
        uint64_t size = (uint64_t) before->st_size;
        int r;

        if (!digest)
                return -ENOMEM;
        r = copy_reserve(temp, size, result);
        if (r != 0)
                return r;
        r = copy_pieces(apply, source, size, temp, digest, result);
        if (r != 0)
                return r;
        result->digest = digest_state_result(digest);
        if (futimens(temp, times) < 0)
                return apply_target_failed(result, "utimens", -errno);
        r = io_fsync(temp);
        return r < 0 ? apply_target_failed(result, "fsync", r) : 0;
}

static int copy_corrupt(struct apply_result *result) {
        result->where = "read back";
        return APPLY_CORRUPT;
}

int apply_read_back(struct apply *apply, int directory, const char *name, int temp, uint64_t size,
                    struct apply_result *result) {
        _cleanup_digest_state_ struct digest_state *digest = digest_state_new();
        _cleanup_close_ int fd = -1;
        uint64_t done = 0;
        ssize_t n;
        int r;

        if (!digest)
                return -ENOMEM;
        (void) posix_fadvise(temp, 0, 0, POSIX_FADV_DONTNEED);
        fd = tree_openat(directory, name, O_RDONLY, 0);
        if (fd < 0)
                return apply_target_failed(result, "open", fd);
        do {
                n = io_read(fd, apply->buffer, APPLY_BUFFER_SIZE);
                if (n < 0)
                        return apply_target_failed(result, "read back", (int) n);
                digest_state_add(digest, apply->buffer, (size_t) n);
                done += (uint64_t) n;
                r = n > 0 ? copy_progress(apply, (size_t) n) : 0;
                if (r != 0)
                        return r;
        } while (n > 0);
        if (done != size || !digest_equal(digest_state_result(digest), result->digest))
                return copy_corrupt(result);
        return 0;
}
