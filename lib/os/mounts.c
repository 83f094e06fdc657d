/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mount table, and the few acts on it.
 *
 * libmount reads /proc/self/mountinfo and watches it; nothing of its types leaves this file. Left
 * out on purpose: its mount and umount contexts, which would read fstab, call helpers and keep
 * /run/mount/utab for what is a single system call here.
 */
#include "os/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void mounts_unref_tablep(struct libmnt_table **table) {
        mnt_unref_table(*table);
}

static void mounts_free_iterp(struct libmnt_iter **iter) {
        mnt_free_iter(*iter);
}

void mounts_done(struct mounts *mounts) {
        for (size_t i = 0; i < mounts->n; i++) {
                free(mounts->entries[i].target);
                free(mounts->entries[i].fstype);
                free(mounts->entries[i].subtree);
        }
        free(mounts->entries);
        *mounts = MOUNTS_INIT;
}

/* root, or root@a … root@z. */
static bool mounts_is_member(const char *target, const char *root) {
        size_t length = strlen(root);

        if (strncmp(target, root, length) != 0)
                return false;
        target += length;
        if (*target == '\0')
                return true;
        return target[0] == '@' && target[1] >= 'a' && target[1] <= 'z' && target[2] == '\0';
}

static bool mounts_has_option(const char *options, const char *name) {
        return options && mnt_optstr_get_option(options, name, NULL, NULL) == 0;
}

/* The mount or its file system can be read-only; the second also by errors=remount-ro. */
static bool mounts_is_read_only(struct libmnt_fs *fs) {
        return mounts_has_option(mnt_fs_get_vfs_options(fs), "ro") ||
               mounts_has_option(mnt_fs_get_fs_options(fs), "ro");
}

static int mounts_add(struct mounts *mounts, struct libmnt_fs *fs) {
        const char *fstype = mnt_fs_get_fstype(fs), *subtree = mnt_fs_get_root(fs);
        struct mount_entry *entries, *entry;

        entries = reallocarray(mounts->entries, mounts->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        mounts->entries = entries;
        entry = &entries[mounts->n++];
        *entry = (struct mount_entry){
                .target = strdup(mnt_fs_get_target(fs)),
                .fstype = strdup(fstype ? fstype : ""),
                .subtree = strdup(subtree ? subtree : "/"),
                .devno = mnt_fs_get_devno(fs),
                .id = mnt_fs_get_id(fs),
                .read_only = mounts_is_read_only(fs),
        };
        return entry->target && entry->fstype && entry->subtree ? 0 : -ENOMEM;
}

/* libmount's functions return -errno, but this one only a pointer and errno. */
static int mounts_parse(const char *path, struct libmnt_table **ret_table) {
        struct libmnt_table *table;

        errno = 0;
        table = mnt_new_table_from_file(path);
        if (!table)
                return errno > 0 ? -errno : -EIO;
        *ret_table = table;
        return 0;
}

int mounts_read(const char *mountinfo_path, const char *root, struct mounts *ret_mounts) {
        _cleanup_(mounts_unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_mounts_ struct mounts mounts = MOUNTS_INIT;
        _cleanup_(mounts_free_iterp) struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs = NULL;
        int r;

        if (!iter)
                return -ENOMEM;
        r = mounts_parse(mountinfo_path, &table);
        if (r < 0)
                return r;
        while ((r = mnt_table_next_fs(table, iter, &fs)) == 0) {
                const char *target = mnt_fs_get_target(fs);

                if (!target || !mounts_is_member(target, root))
                        continue;
                r = mounts_add(&mounts, fs);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret_mounts = mounts;
        mounts = MOUNTS_INIT;
        return 0;
}

struct mounts_monitor {
        struct libmnt_monitor *kernel;
};

int mounts_monitor_new(struct mounts_monitor **ret_monitor) {
        _cleanup_mounts_monitor_ struct mounts_monitor *monitor = calloc(1, sizeof(*monitor));
        int r;

        if (!monitor)
                return -ENOMEM;
        monitor->kernel = mnt_new_monitor();
        if (!monitor->kernel)
                return -ENOMEM;
        r = mnt_monitor_enable_kernel(monitor->kernel, 1);
        if (r < 0)
                return r;
        r = mnt_monitor_get_fd(monitor->kernel);
        if (r < 0)
                return r;
        *ret_monitor = steal_ptr(monitor);
        return 0;
}

struct mounts_monitor *mounts_monitor_free(struct mounts_monitor *monitor) {
        if (monitor)
                mnt_unref_monitor(monitor->kernel);
        free(monitor);
        return NULL;
}

void mounts_monitor_freep(struct mounts_monitor **monitor) {
        mounts_monitor_free(*monitor);
}

int mounts_monitor_fd(const struct mounts_monitor *monitor) {
        return mnt_monitor_get_fd(monitor->kernel);
}

int mounts_monitor_drain(struct mounts_monitor *monitor) {
        int r;

        do
                r = mnt_monitor_next_change(monitor->kernel, NULL, NULL);
        while (r == 0);
        if (r < 0)
                return r;
        return mnt_monitor_event_cleanup(monitor->kernel);
}

int mounts_device_present(dev_t devno) {
        char path[64];

        if (major(devno) == 0)
                return 0;
        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(devno), minor(devno));
        if (access(path, F_OK) == 0)
                return 0;
        if (errno != ENOENT)
                return -errno;
        /* where /sys is not mounted everything is missing, which says nothing */
        return access("/sys/dev/block", F_OK) == 0 ? MOUNTS_GONE : 0;
}

/* The descriptor pins the directory that was looked at, so that no link can slip in before the
 * mount. */
int mounts_bind(const char *from, const char *to) {
        _cleanup_close_ int fd = open(to, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char path[64];

        if (fd < 0)
                return -errno;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return mount(from, path, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

int mounts_detach(const char *target) {
        return umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

int mounts_join_init(void) {
        _cleanup_close_ int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
        struct stat ours, theirs;

        if (fd < 0) /* the kernel asks for the right to trace a process here */
                return errno == EACCES ? -EPERM : -errno;
        if (fstat(fd, &theirs) < 0 || stat("/proc/self/ns/mnt", &ours) < 0)
                return -errno;
        if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
                return 0;
        return setns(fd, CLONE_NEWNS) < 0 ? -errno : 0;
}
