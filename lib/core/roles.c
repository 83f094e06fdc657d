/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules, in this order:
 *   1. Of several mounts on one place the last one counts. The active member is the exception: a
 *      service manager may have covered it in our view, so that its ESP is there as ROOT only; one
 *      that has ROOT's device anywhere in its stack is the active one.
 *   2. A subtree of a file system, or an automount that nobody triggered, is no member.
 *   3. ROOT must be mounted, and be one member.
 *   4. No two members share a device or a partition GUID.
 */
#include "core/roles.h"

#include <string.h>
#include <strings.h>

static bool is_member_mount(const struct roles_mount *mount) {
        return mount->whole && strcmp(mount->fstype, "autofs") != 0;
}

static void assign_root(const struct roles_mount *mounts, size_t n, struct roles *roles) {
        for (size_t i = 0; i < n; i++) {
                if (mounts[i].member != 0)
                        continue;
                roles->root = mounts[i];
                roles->root_mounted = true;
        }
}

static void assign_members(const struct roles_mount *mounts, size_t n, struct roles *roles) {
        for (size_t i = 0; i < n; i++) {
                struct roles_member *member;
                bool is_root;

                if (mounts[i].member == 0)
                        continue;
                member = &roles->members[mounts[i].member - 'a'];
                member->exists = true;
                if (member->active)
                        continue;
                is_root = roles->root_mounted && mounts[i].devno == roles->root.devno;
                member->mounted = is_member_mount(&mounts[i]);
                member->mount = mounts[i];
                member->active = member->mounted && is_root && is_member_mount(&roles->root);
        }
}

static int check_root(struct roles *roles, struct findings *findings) {
        if (!roles->root_mounted)
                return findings_add(findings, FINDING_ROOT_NOT_MOUNTED, NULL, NULL, 0, 0);
        if (strcmp(roles->root.fstype, "autofs") == 0)
                return findings_add(findings, FINDING_ROOT_AUTOFS, NULL, NULL, 0, 0);
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                if (roles->members[i].active && roles->active == 0)
                        roles->active = (char) ('a' + i);
        if (roles->active == 0)
                return findings_add(findings, FINDING_ROOT_NO_MEMBER, NULL, roles->root.fstype, 0,
                                    0);
        return 0;
}

static int check_pair(const struct roles *roles, size_t i, size_t j, struct findings *findings) {
        const struct roles_member *a = &roles->members[i], *b = &roles->members[j];
        const char first[2] = { (char) ('a' + i), 0 }, second[2] = { (char) ('a' + j), 0 };

        if (!a->mounted || !b->mounted)
                return 0;
        if (a->mount.devno == b->mount.devno)
                return findings_add(findings, FINDING_MEMBERS_SHARE_DEVICE, first, second, 0, 0);
        if (a->mount.uuid[0] && strcasecmp(a->mount.uuid, b->mount.uuid) == 0)
                return findings_add(findings, FINDING_MEMBERS_SHARE_UUID, first, second, 0, 0);
        return 0;
}

int roles_assign(const struct roles_mount *mounts, size_t n,
                 const bool directories[static ROLES_MEMBERS], struct roles *ret_roles,
                 struct findings *findings) {
        struct roles roles = { 0 };
        int r;

        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                roles.members[i].exists = directories[i];
        assign_root(mounts, n, &roles);
        assign_members(mounts, n, &roles);

        r = check_root(&roles, findings);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                for (size_t j = i + 1; j < ROLES_MEMBERS; j++) {
                        r = check_pair(&roles, i, j, findings);
                        if (r < 0)
                                return r;
                }
        *ret_roles = roles;
        return 0;
}

char roles_find_uuid(const struct roles *roles, const char *uuid) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                if (roles->members[i].mounted && uuid[0] &&
                    strcasecmp(roles->members[i].mount.uuid, uuid) == 0)
                        return (char) ('a' + i);
        return 0;
}

bool roles_member_equal(const struct roles_member *a, const struct roles_member *b) {
        const struct roles_mount *x = &a->mount, *y = &b->mount;

        if (a->exists != b->exists || a->mounted != b->mounted)
                return false;
        if (!a->mounted)
                return true;
        return x->devno == y->devno && x->id == y->id && x->read_only == y->read_only &&
               x->whole == y->whole && strcmp(x->fstype, y->fstype) == 0 &&
               strcmp(x->uuid, y->uuid) == 0;
}
