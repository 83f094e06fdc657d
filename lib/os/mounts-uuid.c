/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which partition a device is.
 *
 * udev's data base comes first: it can be read in a sandbox that has no /dev/disk, and it is one
 * small file. Left out on purpose: libblkid and libudev, for a single line of text, and sysfs, which
 * does not know the id.
 */
#include "os/mounts.h"

#include "os/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define UDEV_DATA "/run/udev/data"
#define UDEV_KEY "\nE:ID_PART_ENTRY_UUID="
#define UDEV_SIZE_MAX (256U * 1024U)
#define PARTUUID_LINKS "/dev/disk/by-partuuid"
#define HEX_DIGITS "0123456789abcdefABCDEF"

static bool uuid_is_group(const char *text, size_t size) {
        return strspn(text, HEX_DIGITS) >= size;
}

/* 8-4-4-4-12 digits for GPT, 8-2 for MBR. */
static bool uuid_valid(const char *text, size_t size) {
        static const size_t groups[] = { 8, 4, 4, 4, 12 };
        size_t at = 0;

        if (size == 11)
                return uuid_is_group(text, 8) && text[8] == '-' && uuid_is_group(text + 9, 2);
        if (size != 36)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                if (i > 0 && text[at++] != '-')
                        return false;
                if (!uuid_is_group(text + at, groups[i]))
                        return false;
                at += groups[i];
        }
        return true;
}

/* The text as an id, in lower case. 0, MOUNTS_NO_UUID if it is none, -ENOMEM. */
static int uuid_copy(const char *text, size_t size, char **ret_uuid) {
        char *uuid;

        if (!uuid_valid(text, size))
                return MOUNTS_NO_UUID;
        uuid = strndup(text, size);
        if (!uuid)
                return -ENOMEM;
        for (char *c = uuid; *c; c++)
                if (*c >= 'A' && *c <= 'Z')
                        *c = (char) (*c - 'A' + 'a');
        *ret_uuid = uuid;
        return 0;
}

static int uuid_from_udev(const char *directory, dev_t devno, char **ret_uuid) {
        _cleanup_buf_ struct buf text = BUF_INIT, path = BUF_INIT;
        const char *value;
        int r;

        r = buf_appendf(&path, "%s/b%u:%u", directory, major(devno), minor(devno));
        if (r < 0)
                return r;
        r = slurp(AT_FDCWD, buf_string(&path), UDEV_SIZE_MAX, &text);
        if (r < 0)
                return r == -ENOMEM ? r : MOUNTS_NO_UUID;
        /* a record is never the first line: those of the device's state come before */
        value = strstr(buf_string(&text), UDEV_KEY);
        if (!value)
                return MOUNTS_NO_UUID;
        value += strlen(UDEV_KEY);
        return uuid_copy(value, strcspn(value, "\n"), ret_uuid);
}

static int uuid_from_links(const char *directory, dev_t devno, char **ret_uuid) {
        _cleanup_strlist_ struct strlist names = STRLIST_INIT;
        _cleanup_close_ int fd = -1;
        int r;

        r = slurp_names(directory, false, &names);
        if (r < 0)
                return r == -ENOMEM ? r : MOUNTS_NO_UUID;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return MOUNTS_NO_UUID;
        for (size_t i = 0; i < names.n; i++) {
                const char *name = names.items[i];
                struct stat st;

                if (fstatat(fd, name, &st, 0) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != devno)
                        continue;
                r = uuid_copy(name, strlen(name), ret_uuid);
                if (r != MOUNTS_NO_UUID)
                        return r;
        }
        return MOUNTS_NO_UUID;
}

int mounts_partition_uuid_from(const char *udev_directory, const char *links_directory, dev_t devno,
                               char **ret_uuid) {
        int r;

        if (major(devno) == 0)
                return MOUNTS_NO_UUID;
        r = uuid_from_udev(udev_directory, devno, ret_uuid);
        if (r != MOUNTS_NO_UUID)
                return r;
        return uuid_from_links(links_directory, devno, ret_uuid);
}

int mounts_partition_uuid(dev_t devno, char **ret_uuid) {
        return mounts_partition_uuid_from(UDEV_DATA, PARTUUID_LINKS, devno, ret_uuid);
}
