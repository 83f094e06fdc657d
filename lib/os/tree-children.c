/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names are judged before anything else: of a directory full of foreign files not one inode is
 * looked at.
 *
 * Left out on purpose: the type that readdir() tells. Size and time are needed anyway, and vfat is
 * not the only file system that an ESP may have.
 */
#include "os/tree-children.h"

#include "base/relpath.h"
#include "os/io.h"
#include "os/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void child_done(struct child *child) {
        free(child->path);
}

void children_done(struct children *children) {
        for (size_t i = 0; i < children->n; i++)
                child_done(&children->items[i]);
        free(children->items);
        *children = CHILDREN_INIT;
}

/* Counted forms of an entry have their place in a manifest by another name; they are few, and find it
 * there. */
static int child_compare(const void *a, const void *b) {
        const struct child *one = a, *two = b;
        int order = relpath_compare(one->path, two->path);

        return order != 0 ? order : strcmp(one->path, two->path);
}

/* A thing that is neither file nor directory is ours if either would be. */
static enum scope_class child_class(const struct scope *scope, const char *path,
                                    enum item_type type) {
        enum scope_class class = scope_classify(scope, path, type == ITEM_DIR);

        if (type == ITEM_OTHER && class == SCOPE_OUTSIDE)
                class = scope_classify(scope, path, true);
        return class;
}

static void child_set_stat(struct child *child, const struct statx *stx) {
        child->st.type = ITEM_OTHER;
        child->mount_point = stx->stx_attributes & STATX_ATTR_MOUNT_ROOT;
        if (child->mount_point)
                return;
        if (S_ISREG(stx->stx_mode))
                child->st.type = ITEM_FILE;
        else if (S_ISDIR(stx->stx_mode))
                child->st.type = ITEM_DIR;
        if (child->st.type !=
            ITEM_FILE) /* the rest of a directory is the business of its content */
                return;
        child->st.size = stx->stx_size;
        child->st.mtime = io_nsec(stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec);
}

/* Looks at child->path. Its class is SCOPE_OUTSIDE if it is not there or not ours. 0 or -ENOMEM. */
static int child_look(struct child *child, const struct scope *scope, int dirfd) {
        const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
        struct statx stx;

        child->class = child_class(scope, child->path, ITEM_OTHER);
        if (child->class == SCOPE_OUTSIDE)
                return 0;
        if (statx(dirfd, relpath_name(child->path), flags, STATX_BASIC_STATS, &stx) < 0) {
                child->error = errno;
                if (errno == ENOENT)
                        child->class = SCOPE_OUTSIDE;
                return errno == ENOMEM ? -ENOMEM : 0;
        }
        child_set_stat(child, &stx);
        child->class = child_class(scope, child->path, child->st.type);
        return 0;
}

int children_add(struct children *children, const struct scope *scope, int dirfd, const char *dir,
                 const char *name, size_t max) {
        _cleanup_(child_done) struct child child = { .path = relpath_join(dir, name) };
        int r;

        if (!child.path)
                return -ENOMEM;
        r = child_look(&child, scope, dirfd);
        if (r < 0 || child.class == SCOPE_OUTSIDE)
                return r;
        if (children->n >= max)
                return CHILDREN_TOO_MANY;
        if (children->n == children->room) {
                size_t room = children->room > 0 ? children->room * 2 : 16;
                struct child *items = reallocarray(children->items, room, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                children->items = items;
                children->room = room;
        }
        children->items[children->n++] = child;
        child = (struct child){ 0 };
        return 0;
}

static int children_read_all(struct children *children, const struct scope *scope, DIR *dir,
                             const char *path, size_t max, int *ret_error) {
        for (;;) {
                const struct dirent *entry;
                int r;

                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        *ret_error = errno;
                        return 0;
                }
                if (!relpath_valid(entry->d_name))
                        continue;
                r = children_add(children, scope, dirfd(dir), path, entry->d_name, max);
                if (r != 0)
                        return r;
        }
}

int children_read(struct children *children, const struct scope *scope, int root, const char *dir,
                  size_t max, int *ret_error) {
        _cleanup_close_ int fd = tree_openat(root, dir, O_RDONLY | O_DIRECTORY, 0);
        _cleanup_closedir_ DIR *stream = NULL;
        int r;

        *ret_error = fd < 0 ? -fd : 0;
        if (fd < 0)
                return 0;
        stream = fdopendir(fd);
        if (!stream)
                return -ENOMEM;
        (void) steal_fd(&fd);
        r = children_read_all(children, scope, stream, dir, max, ret_error);
        if (children->n > 1)
                qsort(children->items, children->n, sizeof(struct child), child_compare);
        return r;
}
