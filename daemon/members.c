/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Brings together what os/mounts reads and core/roles decides.
 */
#include "members.h"

#include "os/mounts.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MOUNTINFO "/proc/self/mountinfo"

int members_path(const char *root, char letter, struct buf *path) {
        buf_done(path);
        return buf_appendf(path, "%s@%c", root, letter);
}

static int directory_exists(const char *root, char letter, bool *ret_exists) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        struct stat st;
        int r;

        r = members_path(root, letter, &path);
        if (r < 0)
                return r;
        *ret_exists = lstat(buf_string(&path), &st) == 0 && S_ISDIR(st.st_mode);
        return 0;
}

/* mounts_read() delivers ROOT and ROOT@x only, so the last character tells. */
static int convert(const char *root, const struct mount_entry *entry, struct roles_mount *ret) {
        _cleanup_free_ char *uuid = NULL;
        size_t n = strlen(root);
        int r;

        *ret = (struct roles_mount){
                .member = entry->target[n] == '@' ? entry->target[n + 1] : 0,
                .devno = entry->devno,
                .id = entry->id,
                .whole = strcmp(entry->subtree, "/") == 0,
                .read_only = entry->read_only,
        };
        snprintf(ret->fstype, sizeof(ret->fstype), "%s", entry->fstype);
        r = mounts_partition_uuid(entry->devno, &uuid);
        if (r == 0)
                snprintf(ret->uuid, sizeof(ret->uuid), "%s", uuid);
        return r < 0 ? r : 0;
}

int members_read(const char *root, struct roles *ret_roles, struct findings *findings) {
        _cleanup_mounts_ struct mounts mounts = MOUNTS_INIT;
        _cleanup_free_ struct roles_mount *list = NULL;
        bool directories[ROLES_MEMBERS];
        int r;

        r = mounts_read(MOUNTINFO, root, &mounts);
        if (r < 0)
                return r;
        list = calloc(mounts.n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < mounts.n; i++) {
                r = convert(root, &mounts.entries[i], &list[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                r = directory_exists(root, (char) ('a' + i), &directories[i]);
                if (r < 0)
                        return r;
        }
        return roles_assign(list, mounts.n, directories, ret_roles, findings);
}
