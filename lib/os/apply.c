/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that change names. Each holds what it removes until the removal is on disk: vfat frees
 * an open file's clusters when it is closed, not before, so a power cut cannot find them in use by
 * a name that is still there. An O_PATH descriptor is enough for that, and touches no data.
 *
 * Left out on purpose: syncfs() and sync(), which send a vfat disk no flush at all.
 */
#include "os/apply.h"

#include "base/relpath.h"
#include "os/apply-internal.h"
#include "os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int apply_init(struct apply *apply, int source, int target, bool verify,
               const struct apply_hooks *hooks) {
        void *buffer = io_buffer_new(APPLY_BUFFER_SIZE);

        if (!buffer)
                return -ENOMEM;
        *apply = (struct apply){
                .source = source,
                .target = target,
                .verify = verify,
                .hooks = hooks ? *hooks : (struct apply_hooks){ 0 },
                .buffer = buffer,
        };
        return 0;
}

void apply_done(struct apply *apply) {
        apply->buffer = io_buffer_free(apply->buffer, APPLY_BUFFER_SIZE);
}

int apply_target_failed(struct apply_result *result, const char *where, int r) {
        if (r == -ENOMEM)
                return r;
        result->error = -r;
        result->where = where;
        return r == -ENOSPC || r == -EDQUOT ? APPLY_FULL : APPLY_TARGET_ERROR;
}

int apply_open_parent(int root, const char *path, int *ret_fd) {
        _cleanup_free_ char *dir = strndup(path, relpath_dir_length(path));
        int fd;

        if (!dir)
                return -ENOMEM;
        fd = tree_openat(root, dir, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

/* Removes one name; flags as for unlinkat(). What is gone, or a directory that is not empty, is no
 * error. */
static int apply_remove(struct apply *apply, const char *path, int flags,
                        struct apply_result *result) {
        _cleanup_close_ int directory = -1, held = -1;
        int r;

        r = apply_open_parent(apply->target, path, &directory);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return apply_target_failed(result, "open", r);
        held = tree_openat(directory, relpath_name(path), O_PATH, 0);
        if (held == -ENOENT)
                return 0;
        if (held < 0)
                return apply_target_failed(result, "open", held);
        if (unlinkat(directory, relpath_name(path), flags) < 0) {
                if (errno == ENOENT || (flags == AT_REMOVEDIR && errno == ENOTEMPTY))
                        return 0;
                return apply_target_failed(result, flags == AT_REMOVEDIR ? "rmdir" : "unlink",
                                           -errno);
        }
        r = io_fsync(directory);
        return r < 0 ? apply_target_failed(result, "fsync", r) : 0;
}

int apply_unlink(struct apply *apply, const char *path, struct apply_result *ret_result) {
        *ret_result = (struct apply_result){ 0 };
        return apply_remove(apply, path, 0, ret_result);
}

int apply_rmdir(struct apply *apply, const char *path, struct apply_result *ret_result) {
        *ret_result = (struct apply_result){ 0 };
        return apply_remove(apply, path, AT_REMOVEDIR, ret_result);
}

/* The new directory's own block first, then the name that leads to it. */
int apply_mkdir(struct apply *apply, const char *path, struct apply_result *ret_result) {
        _cleanup_close_ int directory = -1, made = -1;
        bool existed;
        int r;

        *ret_result = (struct apply_result){ 0 };
        r = apply_open_parent(apply->target, path, &directory);
        if (r < 0)
                return apply_target_failed(ret_result, "open", r);
        existed = mkdirat(directory, relpath_name(path), 0700) < 0;
        if (existed && errno != EEXIST)
                return apply_target_failed(ret_result, "mkdir", -errno);
        made = tree_openat(directory, relpath_name(path), O_RDONLY | O_DIRECTORY, 0);
        if (made < 0)
                return apply_target_failed(ret_result, "mkdir", made);
        if (existed)
                return 0;
        r = io_fsync(made);
        if (r == 0)
                r = io_fsync(directory);
        return r < 0 ? apply_target_failed(ret_result, "fsync", r) : 0;
}

int apply_flush_parent(int target, const char *path, struct apply_result *ret_result) {
        _cleanup_close_ int directory = -1;
        int r;

        *ret_result = (struct apply_result){ 0 };
        r = apply_open_parent(target, path, &directory);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r == 0)
                r = io_fsync(directory);
        return r < 0 ? apply_target_failed(ret_result, "fsync", r) : 0;
}
