/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file put in its place. The order is the whole point, and was found by replaying every prefix
 * and many reorderings of a vfat disk's writes:
 *
 *  1. open the file that will be replaced, and hold it: its clusters stay taken;
 *  2. open the source; nobody may be writing to it, and what was written must be on its disk;
 *  3. copy it to a temporary name in the same directory, and flush that;
 *  4. read it back, if asked for;
 *  5. see that the source is still what it was, and ask whether to go on;
 *  6. rename;
 *  7. flush the file once more: on vfat that writes its directory entry with its size and cluster;
 *  8. flush the directory;
 *  9. only now let go of the old file.
 *
 * Left out on purpose: RENAME_EXCHANGE, which needs the room for both just as long, and leaves a
 * second name to clean up.
 */
#include "os/apply-internal.h"

#include "base/relpath.h"
#include "os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PUT_TEMP_TRIES 1000U
#define PUT_NAME_SIZE 32
struct put {
        const char *source_path;
        const char *name; /* of the file in directory */
        int directory;
        int held;
        int source;
        int temp;
        struct stat before;
        char temp_name[PUT_NAME_SIZE]; /* "" while there is none to be removed */
};

#define PUT_INIT ((struct put){ .directory = -1, .held = -1, .source = -1, .temp = -1 })

static void put_done(struct put *put) {
        attr_closep(&put->temp);
        if (put->temp_name[0] != '\0')
                (void) unlinkat(put->directory, put->temp_name, 0);
        attr_closep(&put->source);
        attr_closep(&put->held);
        attr_closep(&put->directory);
}

/* A file that vanished, or became something else, is one that changed. */
static int put_source_failed(struct apply_result *result, const char *where, int r) {
        if (r == -ENOMEM)
                return r;
        result->error = -r;
        result->where = where;
        switch (-r) {
        case ENOENT:
        case ENOTDIR:
        case ELOOP:
        case ENXIO:
                return APPLY_SOURCE_CHANGED;
        case EAGAIN: /* a lease is being broken */
                return APPLY_SOURCE_BUSY;
        default:
                return APPLY_SOURCE_ERROR;
        }
}

static int put_open_target(struct put *put, int target, const char *path,
                           struct apply_result *result) {
        int r;

        r = apply_open_parent(target, path, &put->directory);
        if (r < 0)
                return apply_target_failed(result, "open", r);
        put->name = relpath_name(path);
        put->held = tree_openat(put->directory, put->name, O_PATH, 0);
        if (put->held < 0 && put->held != -ENOENT)
                return apply_target_failed(result, "open", put->held);
        return 0;
}

/*
 * What cannot be flushed needs no flush: a read-only file system. Piece by piece, with a sign of life
 * after each: a slow source is no dead target. An error of a piece is not told again by fsync().
 */
static int put_flush_source(const struct apply *apply, int source, off_t size) {
        const unsigned wait =
                SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
        int r;

        for (off_t at = 0; at < size; at += (off_t) APPLY_BUFFER_SIZE) {
                if (sync_file_range(source, at, (off_t) APPLY_BUFFER_SIZE, wait) < 0) {
                        if (errno == EIO || errno == ENOSPC)
                                return -errno;
                        break;
                }
                if (apply->hooks.on_progress &&
                    apply->hooks.on_progress(0, apply->hooks.userdata) != 0)
                        return -ECANCELED;
        }
        r = io_fsync(source);
        return r == -EINVAL || r == -EROFS ? 0 : r;
}

static int put_open_source(struct put *put, const struct apply *apply, const char *path,
                           struct apply_result *result) {
        int r;

        put->source_path = path;
        put->source = tree_openat(apply->source, path, O_RDONLY, 0);
        if (put->source < 0)
                return put_source_failed(result, "open", put->source);
        if (fstat(put->source, &put->before) < 0)
                return put_source_failed(result, "stat", -errno);
        if (!S_ISREG(put->before.st_mode))
                return APPLY_SOURCE_CHANGED;
        if (tree_is_open_for_writing(put->source))
                return APPLY_SOURCE_BUSY;
        r = put_flush_source(apply, put->source, put->before.st_size);
        if (r == -ECANCELED)
                return APPLY_STOPPED;
        if (r < 0)
                return put_source_failed(result, "fsync", r);
        if (fstat(put->source, &put->before) < 0)
                return put_source_failed(result, "stat", -errno);
        return 0;
}

static struct manifest_stat put_stat(const struct stat *st) {
        return (struct manifest_stat){
                .type = ITEM_FILE,
                .size = (uint64_t) st->st_size,
                .mtime = io_nsec(st->st_mtim.tv_sec, (uint32_t) st->st_mtim.tv_nsec),
        };
}

static int put_open_temp(struct put *put, struct apply_result *result) {
        for (unsigned i = 0; i < PUT_TEMP_TRIES; i++) {
                char name[PUT_NAME_SIZE];

                snprintf(name, sizeof(name), SCOPE_TEMP_PREFIX "%u" SCOPE_TEMP_SUFFIX, i);
                put->temp = tree_openat(put->directory, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
                if (put->temp >= 0) {
                        memcpy(put->temp_name, name, sizeof(name));
                        return 0;
                }
                if (put->temp != -EEXIST)
                        break;
        }
        return apply_target_failed(result, "create", put->temp);
}

static bool put_same(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The open file must be as it was, and the path must still lead to it. */
static int put_check_source(const struct put *put, int source, struct apply_result *result) {
        _cleanup_close_ int fd = tree_openat(source, put->source_path, O_PATH, 0);
        struct stat after;

        if (fd < 0)
                return put_source_failed(result, "open", fd);
        if (fstat(fd, &after) < 0)
                return put_source_failed(result, "stat", -errno);
        if (!put_same(&put->before, &after))
                return APPLY_SOURCE_CHANGED;
        return tree_is_open_for_writing(put->source) ? APPLY_SOURCE_BUSY : 0;
}

static int put_ask(const struct apply *apply, const char *source_path) {
        int r;

        if (!apply->hooks.may_publish)
                return 0;
        r = apply->hooks.may_publish(source_path, apply->hooks.userdata);
        if (r == 0)
                return 0;
        return r > 0 ? APPLY_SOURCE_CHANGED : APPLY_STOPPED;
}

static int put_publish(struct put *put, struct apply_result *result) {
        struct stat st;
        int r;

        if (renameat(put->directory, put->temp_name, put->directory, put->name) < 0)
                return apply_target_failed(result, "rename", -errno);
        put->temp_name[0] = '\0';
        r = io_fsync(put->temp);
        if (r == 0)
                r = io_fsync(put->directory);
        if (r < 0)
                return apply_target_failed(result, "fsync", r);
        if (fstat(put->temp, &st) < 0)
                return apply_target_failed(result, "stat", -errno);
        result->target = put_stat(&st);
        return 0;
}

int apply_put(struct apply *apply, const char *source_path, const char *target_path,
              struct apply_result *ret_result) {
        _cleanup_(put_done) struct put put = PUT_INIT;
        int r;

        *ret_result = (struct apply_result){ 0 };
        r = put_open_target(&put, apply->target, target_path, ret_result);
        if (r != 0)
                return r;
        r = put_open_source(&put, apply, source_path, ret_result);
        if (r != 0)
                return r;
        ret_result->source = put_stat(&put.before);
        ret_result->source_settled = tree_is_settled(
                io_nsec(put.before.st_mtim.tv_sec, (uint32_t) put.before.st_mtim.tv_nsec));
        r = put_open_temp(&put, ret_result);
        if (r != 0)
                return r;
        r = apply_copy(apply, put.source, &put.before, put.temp, ret_result);
        if (r != 0)
                return r;
        if (apply->verify)
                r = apply_read_back(apply, put.directory, put.temp_name, put.temp,
                                    ret_result->source.size, ret_result);
        if (r != 0)
                return r;
        r = put_check_source(&put, apply->source, ret_result);
        if (r != 0)
                return r;
        r = put_ask(apply, source_path);
        if (r != 0)
                return r;
        return put_publish(&put, ret_result);
}
