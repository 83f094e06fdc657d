/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mount table (libmount), as a list of plain values, and its changes, as a descriptor.
 *
 * This is the only file that knows libmount.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mount_entry {
        char *target;  /* where it is mounted */
        char *fstype;  /* "autofs" for an automount that has not been triggered */
        char *subtree; /* the mount's root within its file system: "/" for the whole */
        dev_t devno;
        int id; /* of the mount: a later mount of the same device has another */
        bool read_only;
};

struct mounts {
        struct mount_entry
                *entries; /* in the order of the mount table: a later one covers an earlier */
        size_t n;
};

#define MOUNTS_INIT ((struct mounts){ 0 })

void mounts_done(struct mounts *mounts);
#define _cleanup_mounts_ _cleanup_(mounts_done)

/*
 * Reads the mounts at root and at root@a … root@z out of the calling process' mount table
 * (mountinfo_path is /proc/self/mountinfo outside of tests).
 */
_must_check_ int mounts_read(const char *mountinfo_path, const char *root,
                             struct mounts *ret_mounts);

/* Watches the mount table. */
struct mounts_monitor;
_must_check_ int mounts_monitor_new(struct mounts_monitor **ret_monitor);
struct mounts_monitor *mounts_monitor_free(struct mounts_monitor *monitor);
void mounts_monitor_freep(struct mounts_monitor **monitor);
#define _cleanup_mounts_monitor_ _cleanup_(mounts_monitor_freep)
/* Readable when the table has changed; level-triggered until mounts_monitor_drain(). */
int mounts_monitor_fd(const struct mounts_monitor *monitor);
_must_check_ int mounts_monitor_drain(struct mounts_monitor *monitor);

enum mounts_outcome {
        MOUNTS_NO_UUID = 1, /* the device is no partition with a GUID, or nobody knows it */
        MOUNTS_GONE = 2,    /* the device does not exist any more */
};

/*
 * The GUID of the partition devno, in lower case, from udev's data base (/run/udev/data/bMAJ:MIN,
 * E:ID_PART_ENTRY_UUID=), else by the links in /dev/disk/by-partuuid. The caller frees it.
 * An MBR partition has an id of the form 1234abcd-01, which is returned alike.
 * 0, MOUNTS_NO_UUID, -ENOMEM.
 */
_must_check_ int mounts_partition_uuid(dev_t devno, char **ret_uuid);

/* The same, out of any two directories. */
_must_check_ int mounts_partition_uuid_from(const char *udev_directory, const char *links_directory,
                                            dev_t devno, char **ret_uuid);

/* 0, or MOUNTS_GONE if /sys/dev/block/MAJ:MIN is gone. Devices without a number of a block device
 * (major 0) are never gone. */
_must_check_ int mounts_device_present(dev_t devno);

/* mount --bind from to. to must be a directory, not a link. */
_must_check_ int mounts_bind(const char *from, const char *to);

/* umount --lazy. */
_must_check_ int mounts_detach(const char *target);

/* Joins the mount namespace of PID 1, if it is another one. -EPERM without the privilege. */
_must_check_ int mounts_join_init(void);
