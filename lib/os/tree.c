/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one way into an ESP, and the facts that a descriptor tells.
 *
 * openat2() does the confinement, in the kernel and without a race. Left out on purpose: a fallback
 * for kernels before 5.6, which would have to walk each path by hand and still be weaker.
 */
#include "os/tree.h"

#include "os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

/* A lookup below a directory is refused with EAGAIN while something is renamed in the file system;
 * a lease that is being broken answers alike. */
#define TREE_OPEN_TRIES 64

/* FAT's two seconds, and more than a tick. */
#define TREE_SETTLED_NSEC INT64_C(2100000000)

#define MAGIC_EXFAT 0x2011bab0U
#define MAGIC_XFS 0x58465342U

int tree_open(const char *path, int *ret_fd, dev_t *ret_devno) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_fd = steal_fd(&fd);
        *ret_devno = st.st_dev;
        return 0;
}

int tree_openat(int root, const char *path, int flags, mode_t mode) {
        /* openat2() refuses flags that mean nothing together with O_PATH. Without O_NOATIME vfat
         * writes the day of the last access at each read, whatever relatime says. */
        int quiet = flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY | O_NOATIME;
        struct open_how how = {
                .flags = (unsigned) (flags | quiet | O_CLOEXEC | O_NOFOLLOW),
                .mode = flags & O_CREAT ? mode : 0,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                           RESOLVE_NO_XDEV,
        };
        long fd = -1;

        if (*path == '\0')
                path = ".";
        for (unsigned i = 0; i < TREE_OPEN_TRIES; i++) {
                fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
                if (fd < 0 && errno == EPERM && how.flags & O_NOATIME)
                        how.flags &= ~(unsigned) O_NOATIME; /* the owner's privilege */
                else if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
                        break;
        }
        return fd < 0 ? -errno : (int) fd;
}

bool tree_is_open_for_writing(int fd) {
        if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
                return errno == EAGAIN;
        (void) fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
}

static void tree_name_magic(uint32_t magic, struct tree_space *space) {
        static const struct {
                uint32_t magic;
                const char *name;
        } known[] = {
                { MSDOS_SUPER_MAGIC, "vfat" }, { MAGIC_EXFAT, "exfat" },
                { EXT4_SUPER_MAGIC, "ext4" },  { BTRFS_SUPER_MAGIC, "btrfs" },
                { MAGIC_XFS, "xfs" },          { F2FS_SUPER_MAGIC, "f2fs" },
                { TMPFS_MAGIC, "tmpfs" },      { OVERLAYFS_SUPER_MAGIC, "overlay" },
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                if (known[i].magic != magic)
                        continue;
                snprintf(space->fstype, sizeof(space->fstype), "%s", known[i].name);
                return;
        }
        snprintf(space->fstype, sizeof(space->fstype), "0x%x", magic);
}

int tree_space(int root, struct tree_space *ret_space) {
        struct tree_space space = { 0 };
        struct statfs fs;
        uint64_t block;

        while (fstatfs(root, &fs) < 0)
                if (errno != EINTR)
                        return -errno;
        block = (uint64_t) (fs.f_frsize > 0 ? fs.f_frsize : fs.f_bsize);
        space.free = fs.f_bavail * block;
        space.total = fs.f_blocks * block;
        space.cluster = (uint32_t) block;
        space.read_only = fs.f_flags & ST_RDONLY;
        tree_name_magic((uint32_t) fs.f_type, &space);
        *ret_space = space;
        return 0;
}

bool tree_is_settled(int64_t mtime) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return mtime <= io_nsec(now.tv_sec, (uint32_t) now.tv_nsec) - TREE_SETTLED_NSEC;
}
