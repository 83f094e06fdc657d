/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two files, byte by byte.
 *
 * Comparing costs less than two digests would, and the digest of the equal content comes along with
 * it. Left out on purpose: O_DIRECT, which vfat turns into buffered reads.
 */
#include "os/tree.h"

#include "os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define COMPARE_PIECE (1024U * 1024U)

struct compare_side {
        int fd;
        uint64_t size;
        char *piece;
};

#define COMPARE_SIDE_INIT ((struct compare_side){ .fd = -1 })

static void compare_side_done(struct compare_side *side) {
        if (side->fd >= 0)
                close(side->fd);
        io_buffer_free(side->piece, COMPARE_PIECE);
}

/* 0 or -errno, which is that of the file. */
static int compare_side_open(struct compare_side *side, int root, const char *path) {
        struct stat st;

        side->fd = tree_openat(root, path, O_RDONLY, 0);
        if (side->fd < 0)
                return side->fd;
        if (fstat(side->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
        side->size = (uint64_t) st.st_size;
        return 0;
}

static int compare_failed(int outcome, int r, int *ret_error) {
        *ret_error = -r;
        return outcome;
}

static int compare_content(struct compare_side *source, struct compare_side *target,
                           struct digest_state *digest, tree_progress_fn on_progress,
                           void *userdata, int *ret_error) {
        for (;;) {
                ssize_t n, m;

                n = io_read(source->fd, source->piece, COMPARE_PIECE);
                if (n < 0)
                        return compare_failed(TREE_SOURCE_ERROR, (int) n, ret_error);
                m = io_read(target->fd, target->piece, COMPARE_PIECE);
                if (m < 0)
                        return compare_failed(TREE_TARGET_ERROR, (int) m, ret_error);
                if (n != m || memcmp(source->piece, target->piece, (size_t) n) != 0)
                        return TREE_DIFFERENT;
                digest_state_add(digest, source->piece, (size_t) n);
                if (n > 0 && on_progress && on_progress((uint64_t) n, userdata) != 0)
                        return TREE_STOPPED;
                if ((size_t) n < COMPARE_PIECE)
                        return 0;
        }
}

int tree_compare(int source_root, const char *source_path, int target_root, const char *target_path,
                 tree_progress_fn on_progress, void *userdata, struct digest *ret_digest,
                 int *ret_error) {
        _cleanup_(compare_side_done) struct compare_side source = COMPARE_SIDE_INIT;
        _cleanup_(compare_side_done) struct compare_side target = COMPARE_SIDE_INIT;
        _cleanup_digest_state_ struct digest_state *digest = NULL;
        int r;

        r = compare_side_open(&source, source_root, source_path);
        if (r < 0)
                return compare_failed(TREE_SOURCE_ERROR, r, ret_error);
        r = compare_side_open(&target, target_root, target_path);
        if (r < 0)
                return compare_failed(TREE_TARGET_ERROR, r, ret_error);
        if (source.size != target.size)
                return TREE_DIFFERENT;

        digest = digest_state_new();
        source.piece = io_buffer_new(COMPARE_PIECE);
        target.piece = io_buffer_new(COMPARE_PIECE);
        if (!digest || !source.piece || !target.piece)
                return -ENOMEM;
        (void) posix_fadvise(target.fd, 0, 0, POSIX_FADV_DONTNEED);
        r = compare_content(&source, &target, digest, on_progress, userdata, ret_error);
        if (r == 0)
                *ret_digest = digest_state_result(digest);
        return r;
}
