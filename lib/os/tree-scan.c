/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk. One directory at a time: open it, read its names, look at each that could matter, close
 * it; then its children in the manifest's order, so that each item is appended to a fresh manifest
 * and next to nothing is ever moved. At the end the fresh part takes the place of the old one, in one piece:
 * a walk that is broken off changes nothing.
 *
 * What cannot be read is not absent: the old items below it stay as they were.
 *
 * Left out on purpose: descriptors held over a descent. Each directory is found again from the root,
 * three or four names deep, and a walk needs one descriptor whatever the depth.
 */
#include "os/tree.h"

#include "base/relpath.h"
#include "os/io.h"
#include "os/tree-children.h"
#include "os/tree-splice.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

struct scan {
        int root;
        const struct scope *scope;
        const struct manifest *old;
        struct manifest fresh;
        tree_problem_fn on_problem;
        void *userdata;
        size_t room;   /* items that may still come */
        bool too_many; /* there were more, and it was reported */
        char *text;    /* ENTRY_SIZE_MAX + 1 bytes, once the first entry is read */
};

static void scan_done(struct scan *scan) {
        manifest_done(&scan->fresh);
        free(scan->text);
}

static int scan_report(struct scan *scan, enum tree_problem problem, const char *path, int error) {
        return scan->on_problem ? scan->on_problem(problem, path, error, scan->userdata) : 0;
}

/* The content of a directory. 0; what on_problem returned; -ENOMEM; *ret_error as children_read(). */
static int scan_list(struct scan *scan, const char *path, struct children *children,
                     int *ret_error) {
        int r = children_read(children, scan->scope, scan->root, path, scan->room, ret_error);

        if (r < 0)
                return r;
        scan->room -= children->n;
        if (r != CHILDREN_TOO_MANY || scan->too_many)
                return 0;
        scan->too_many = true;
        return scan_report(scan, TREE_TOO_DEEP, path, 0);
}

/* Keeps what is known at path, and below it. */
static int scan_keep(struct scan *scan, const char *path, bool itself) {
        const struct manifest *old = scan->old;
        const struct item *item = itself ? manifest_find(old, path) : NULL;
        int r = 0;

        if (item)
                r = manifest_set_item(&scan->fresh, item);
        for (size_t i = manifest_lower_bound(old, path); r == 0 && i < old->n; i++) {
                if (!relpath_below(old->items[i].key, path))
                        break;
                if (relpath_below(old->items[i].path, path) &&
                    !relpath_equal(old->items[i].path, path))
                        r = manifest_set_item(&scan->fresh, &old->items[i]);
        }
        return r;
}

/* A read error is news, and no reason to forget anything. */
static int scan_unreadable(struct scan *scan, const char *path, bool itself, int error) {
        int r;

        if (error == ENOMEM)
                return -ENOMEM;
        r = scan_keep(scan, path, itself);
        return r != 0 ? r : scan_report(scan, TREE_READ_ERROR, path, error);
}

static int scan_set(struct scan *scan, const struct child *child, const char *text, size_t size) {
        return manifest_set(&scan->fresh, child->path, child->class, &child->st, text, size);
}

/* Something that is passed over, but stands there. */
static int scan_set_other(struct scan *scan, struct child *child, enum tree_problem problem) {
        int r;

        child->st = (struct manifest_stat){ .type = ITEM_OTHER };
        r = scan_set(scan, child, NULL, 0);
        return r != 0 ? r : scan_report(scan, problem, child->path, 0);
}

/* Reads an entry into scan->text. The number of bytes or -errno. */
static ssize_t scan_read_entry(struct scan *scan, const char *path) {
        _cleanup_close_ int fd = -1;

        if (!scan->text)
                scan->text = malloc(ENTRY_SIZE_MAX + 1);
        if (!scan->text)
                return -ENOMEM;
        fd = tree_openat(scan->root, path, O_RDONLY, 0);
        if (fd < 0)
                return fd;
        return io_read(fd, scan->text, ENTRY_SIZE_MAX + 1);
}

static int scan_set_file(struct scan *scan, const struct child *child) {
        ssize_t n;
        int r;

        if (child->class != SCOPE_ENTRY || child->st.size > ENTRY_SIZE_MAX)
                return scan_set(scan, child, NULL, 0);
        n = scan_read_entry(scan, child->path);
        if (n == -ENOMEM)
                return -ENOMEM;
        if (n == -ENOENT) /* removed since the directory was read */
                return 0;
        if (n >= 0 && n <= (ssize_t) ENTRY_SIZE_MAX)
                return scan_set(scan, child, scan->text, (size_t) n);
        r = scan_set(scan, child, NULL, 0);
        return r != 0 || n > 0 ? r : scan_report(scan, TREE_READ_ERROR, child->path, (int) -n);
}

static int scan_children(struct scan *scan, struct children *children, unsigned depth);

static int scan_set_directory(struct scan *scan, struct child *child, unsigned depth) {
        _cleanup_children_ struct children children = CHILDREN_INIT;
        int error, r;

        if (depth >= TREE_DEPTH_MAX)
                return scan_set_other(scan, child, TREE_TOO_DEEP);
        r = scan_list(scan, child->path, &children, &error);
        if (r != 0)
                return r;
        if (error == ENOENT) /* removed since its parent was read */
                return 0;
        if (error == EXDEV)
                return scan_set_other(scan, child, TREE_OTHER_MOUNT);
        r = scan_set(scan, child, NULL, 0);
        if (r != 0)
                return r;
        if (error > 0)
                return scan_unreadable(scan, child->path, false, error);
        return scan_children(scan, &children, depth + 1);
}

static int scan_child(struct scan *scan, struct child *child, unsigned depth) {
        if (child->error > 0)
                return scan_unreadable(scan, child->path, true, child->error);
        if (strlen(child->path) >= PATH_MAX)
                return scan_set_other(scan, child, TREE_BAD_NAME);
        if (child->mount_point)
                return scan_set_other(scan, child, TREE_OTHER_MOUNT);
        switch (child->st.type) {
        case ITEM_FILE:
                return scan_set_file(scan, child);
        case ITEM_DIR:
                return scan_set_directory(scan, child, depth);
        case ITEM_OTHER:
                break;
        }
        return scan_set_other(scan, child, TREE_SPECIAL);
}

/* depth is the number of directories above the children, the root not counted. */
static int scan_children(struct scan *scan, struct children *children, unsigned depth) {
        const char *last = NULL;
        int r;

        for (size_t i = 0; i < children->n; i++) {
                struct child *child = &children->items[i];

                /* FAT would take them for one name */
                if (last && relpath_equal(last, child->path)) {
                        r = scan_report(scan, TREE_BAD_NAME, child->path, 0);
                } else {
                        last = child->path;
                        r = scan_child(scan, child, depth);
                }
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The whole tree into scan->fresh. */
static int scan_root(struct scan *scan) {
        _cleanup_children_ struct children children = CHILDREN_INIT;
        int error, r;

        r = scan_list(scan, "", &children, &error);
        if (r != 0)
                return r;
        if (error > 0)
                return scan_unreadable(scan, "", false, error);
        return scan_children(scan, &children, 0);
}

/* One path, and what is below it, into scan->fresh. */
static int scan_path(struct scan *scan, const char *path) {
        _cleanup_children_ struct children children = CHILDREN_INIT;
        _cleanup_free_ char *dir = strndup(path, relpath_dir_length(path));
        _cleanup_close_ int fd = -1;
        unsigned depth = 0;
        int r;

        if (!dir)
                return -ENOMEM;
        fd = tree_openat(scan->root, dir, O_PATH | O_DIRECTORY, 0);
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                return 0;
        if (fd == -EXDEV)
                return scan_report(scan, TREE_OTHER_MOUNT, path, 0);
        if (fd < 0)
                return scan_unreadable(scan, path, true, -fd);
        r = children_add(&children, scan->scope, fd, dir, relpath_name(path), 1);
        if (r != 0)
                return r;
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
                depth++;
        return scan_children(scan, &children, depth);
}

/*
 * The spelling by which path shall be looked at: that of the manifest, as long as the file system
 * still answers to it. On vfat both are one file. On a file system that tells them apart, this keeps
 * the end of one from being taken for the end of the other.
 */
static int scan_spelling(int root, const struct manifest *manifest, const char *path,
                         char **ret_path) {
        const struct item *known = manifest_find(manifest, path);
        _cleanup_close_ int fd = -1;

        if (known && strcmp(known->path, path) != 0)
                fd = tree_openat(root, known->path, O_PATH, 0);
        *ret_path = strdup(fd >= 0 ? known->path : path);
        return *ret_path ? 0 : -ENOMEM;
}

int tree_scan(int root, const struct scope *scope, const char *path, struct manifest *manifest,
              tree_problem_fn on_problem, void *userdata) {
        _cleanup_(scan_done) struct scan scan = {
                .root = root,
                .scope = scope,
                .old = manifest,
                .room = TREE_ITEMS_MAX,
                .on_problem = on_problem,
                .userdata = userdata,
        };
        _cleanup_free_ char *spelled = NULL;
        int r;

        if (!relpath_valid(path))
                return scan_report(&scan, TREE_BAD_NAME, path, 0);
        r = scan_spelling(root, manifest, path, &spelled);
        if (r < 0)
                return r;
        r = *path == '\0' ? scan_root(&scan) : scan_path(&scan, spelled);
        if (r != 0)
                return r;
        return tree_splice(manifest, path, &scan.fresh);
}
