/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events are hints. What each must do is (1) never be lost in silence, and (2) name a path that is
 * in scope; the scan finds out the rest. A watch is set on a directory before its content is listed:
 * what comes after the watch makes an event, what came before is listed.
 *
 * A directory's watch is set by way of its descriptor's name in /proc/self/fd, after openat2() has
 * found it: inotify_add_watch() knows no such confinement. The descriptor is closed at once.
 *
 * Left out on purpose:
 *  - IN_ATTRIB: time stamps alone are found by the next scan, and then cost a comparison;
 *  - IN_EXCL_UNLINK: news of a removed file that is still written to does no harm;
 *  - the cookies that pair the two halves of a rename: each half says what must be done;
 *  - removals made up from IN_IGNORED or IN_UNMOUNT: there nothing was removed.
 */
#include "os/watch.h"

#include "base/relpath.h"
#include "os/tree.h"
#include "os/watch-table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#define WATCH_MASK                                                                                 \
        (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |        \
         IN_ONLYDIR)
/* Of the tree's root no parent tells. */
#define WATCH_MASK_ROOT (WATCH_MASK | IN_DELETE_SELF | IN_MOVE_SELF)
#define WATCH_BUFFER_SIZE (16U * 1024U)

struct watch {
        int fd;
        struct watch_table table;
        const struct scope *scope;
        watch_news_fn on_news;
        void *userdata;
        unsigned round; /* counts watch_start() */
        bool limited;   /* WATCH_LIMIT was told since */
        bool unmounted; /* WATCH_UNMOUNTED was told since */
        char *writing;  /* the path of the last news if that was WATCH_WRITING, else NULL */
        int root;       /* the tree, open only while something is done; else -1 */
        watch_open_fn open_root;
};

int watch_new(struct watch **ret_watch) {
        _cleanup_watch_ struct watch *watch = calloc(1, sizeof(*watch));

        if (!watch)
                return -ENOMEM;
        watch->root = -1;
        watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (watch->fd < 0)
                return -errno;
        *ret_watch = steal_ptr(watch);
        return 0;
}

struct watch *watch_free(struct watch *watch) {
        if (!watch)
                return NULL;
        attr_closep(&watch->fd);
        watch_table_done(&watch->table);
        free(watch->writing);
        free(watch);
        return NULL;
}

void watch_freep(struct watch **watch) {
        watch_free(*watch);
}

int watch_fd(const struct watch *watch) {
        return watch->fd;
}

size_t watch_count(const struct watch *watch) {
        return watch->table.n;
}

/* The same file written to again and again is one piece of news. */
static int watch_tell(struct watch *watch, enum watch_news news, const char *path, int error) {
        if (news == WATCH_WRITING && watch->writing && strcmp(watch->writing, path) == 0)
                return 0;
        free(watch->writing);
        watch->writing = NULL;
        if (news == WATCH_WRITING) {
                watch->writing = strdup(path);
                if (!watch->writing)
                        return -ENOMEM;
        }
        return watch->on_news(news, path, error, watch->userdata);
}

static int watch_tell_limit(struct watch *watch, const char *path) {
        if (watch->limited)
                return 0;
        watch->limited = true;
        return watch_tell(watch, WATCH_LIMIT, path, ENOSPC);
}

static int watch_tell_unmounted(struct watch *watch) {
        if (watch->unmounted)
                return 0;
        watch->unmounted = true;
        return watch_tell(watch, WATCH_UNMOUNTED, "", 0);
}

/* Whether what has this name is looked at by the scan, and not a temporary file of ours. What is no
 * directory can stand where one of ours should be. */
static bool watch_in_scope(const struct watch *watch, const char *path, bool is_dir) {
        enum scope_class class = scope_classify(watch->scope, path, is_dir);

        if (class == SCOPE_OUTSIDE && !is_dir)
                class = scope_classify(watch->scope, path, true);
        return class != SCOPE_OUTSIDE && class != SCOPE_LEFTOVER;
}

/* Sets the watch itself. *ret_watched is false where that failed, and was told. */
static int watch_add(struct watch *watch, int fd, const char *path, bool *ret_watched) {
        char name[64];
        int wd;

        *ret_watched = false;
        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        wd = inotify_add_watch(watch->fd, name, *path == '\0' ? WATCH_MASK_ROOT : WATCH_MASK);
        if (wd < 0 && errno == ENOSPC)
                return watch_tell_limit(watch, path);
        if (wd < 0 && errno == ENOMEM)
                return -ENOMEM;
        if (wd < 0)
                return watch_tell(watch, WATCH_ERROR, path, errno);
        *ret_watched = true;
        return watch_table_set(&watch->table, wd, path, watch->round);
}

/* The directories in scope that fd, which is taken over, holds. *ret_error as in readdir(). */
static int watch_list(const struct watch *watch, int fd, const char *path, struct strlist *names,
                      int *ret_error) {
        _cleanup_closedir_ DIR *dir = fdopendir(fd);

        if (!dir) {
                close(fd);
                return -ENOMEM;
        }
        for (;;) {
                _cleanup_free_ char *child = NULL;
                const struct dirent *entry;
                int r;

                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        *ret_error = errno;
                        return 0;
                }
                if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
                        continue;
                if (!relpath_valid(entry->d_name))
                        continue;
                child = relpath_join(path, entry->d_name);
                if (!child)
                        return -ENOMEM;
                if (!watch_in_scope(watch, child, true))
                        continue;
                r = strlist_add(names, child);
                if (r < 0)
                        return r;
        }
}

/* A name that vanished, is no directory or leads elsewhere: the scan says what must be said. */
static bool watch_passes_over(const char *path, int error) {
        return *path != '\0' &&
               (error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV);
}

/* Watches the directory path and all below it. */
static int watch_tree(struct watch *watch, const char *path, unsigned depth) {
        _cleanup_strlist_ struct strlist names = STRLIST_INIT;
        _cleanup_close_ int fd = tree_openat(watch->root, path, O_RDONLY | O_DIRECTORY, 0);
        bool watched;
        int error = 0, r;

        if (fd == -ENOMEM)
                return fd;
        if (fd < 0)
                return watch_passes_over(path, -fd) ? 0 : watch_tell(watch, WATCH_ERROR, path, -fd);
        r = watch_add(watch, fd, path, &watched);
        if (r != 0 || !watched || depth >= TREE_DEPTH_MAX)
                return r;
        r = watch_list(watch, steal_fd(&fd), path, &names, &error);
        if (r < 0)
                return r;
        if (error > 0 && !watch_passes_over(path, error)) {
                r = watch_tell(watch, WATCH_ERROR, path, error);
                if (r != 0)
                        return r;
        }
        for (size_t i = 0; i < names.n; i++) {
                r = watch_tree(watch, names.items[i], depth + 1);
                if (r != 0)
                        return r;
        }
        return 0;
}

static bool watch_is_current(const struct watch_dir *dir, const void *userdata) {
        const struct watch *watch = userdata;

        return dir->round == watch->round;
}

int watch_start(struct watch *watch, int root, const struct scope *scope, watch_news_fn on_news,
                void *userdata) {
        int r;

        watch->scope = scope;
        watch->on_news = on_news;
        watch->userdata = userdata;
        watch->limited = watch->unmounted = false;
        watch->round++;
        watch->root = root;
        r = watch_tree(watch, "", 0);
        watch->root = -1;
        if (r != 0)
                return r;
        watch_table_prune(&watch->table, watch->fd, watch_is_current, watch);
        return 0;
}

static bool watch_is_elsewhere(const struct watch_dir *dir, const void *path) {
        return !relpath_below(dir->path, path);
}

/* A directory went away. Its watch may live on, with its inode, and would then tell of a path that
 * is no more. */
static void watch_forget(struct watch *watch, const char *path) {
        watch_table_prune(&watch->table, watch->fd, watch_is_elsewhere, path);
}

/* A directory came. Until watch_drain() ends the tree stays open. */
static int watch_new_tree(struct watch *watch, const char *path) {
        unsigned depth = 1;
        int fd;

        if (watch->root < 0) {
                fd = watch->open_root(watch->userdata);
                if (fd < 0)
                        return watch_tell(watch, WATCH_ERROR, path, -fd);
                watch->root = fd;
        }
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
                depth++;
        return watch_tree(watch, path, depth);
}

/* Something happened to a name in a watched directory. */
static int watch_on_name(struct watch *watch, const char *path, uint32_t mask) {
        bool is_dir = mask & IN_ISDIR;
        int r;

        if (!watch_in_scope(watch, path, is_dir))
                return 0;
        if (mask & (IN_DELETE | IN_MOVED_FROM)) {
                if (is_dir)
                        watch_forget(watch, path);
                return watch_tell(watch, WATCH_REMOVED, path, 0);
        }
        if (mask & IN_MODIFY)
                return watch_tell(watch, WATCH_WRITING, path, 0);
        if (!(mask & (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO)))
                return 0;
        r = is_dir ? watch_new_tree(watch, path) : 0;
        return r != 0 ? r : watch_tell(watch, WATCH_DIRTY, path, 0);
}

static int watch_on_event(const struct watch_event *event, void *userdata) {
        struct watch *watch = userdata;
        const struct watch_dir *dir = watch_table_find(&watch->table, event->wd);
        _cleanup_free_ char *path = NULL;
        bool is_root;

        if (event->mask & IN_Q_OVERFLOW)
                return watch_tell(watch, WATCH_OVERFLOW, "", 0);
        if (!dir) /* queued before its watch was given back */
                return 0;
        is_root = *dir->path == '\0';
        if (event->mask & IN_IGNORED)
                watch_table_drop(&watch->table, event->wd);
        if (event->mask & IN_UNMOUNT)
                return watch_tell_unmounted(watch);
        if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
                return is_root ? watch_tell_unmounted(watch) : 0;
        if (*event->name == '\0' || strchr(event->name, '/') || !relpath_valid(event->name))
                return 0;
        path = relpath_join(dir->path, event->name);
        return path ? watch_on_name(watch, path, event->mask) : -ENOMEM;
}

static int watch_read(struct watch *watch) {
        char buffer[WATCH_BUFFER_SIZE];

        for (;;) {
                ssize_t n = read(watch->fd, buffer, sizeof(buffer));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return -errno;
                if (n <= 0)
                        return 0;
                r = watch_decode(buffer, (size_t) n, watch_on_event, watch);
                if (r != 0)
                        return r;
        }
}

int watch_drain(struct watch *watch, watch_open_fn open_root) {
        int r;

        watch->open_root = open_root;
        r = watch_read(watch);
        attr_closep(&watch->root);
        watch->root = -1;
        /* the next drain tells of it again, for the time matters */
        free(watch->writing);
        watch->writing = NULL;
        return r;
}
