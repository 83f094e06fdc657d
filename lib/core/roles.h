/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is who among the mounts: which member is the source, which are targets.
 *
 * Members are the mounts at ROOT@[a-z]. The active one is that whose device is mounted on ROOT, too;
 * the others are targets.
 */
#pragma once

#include "base/attr.h"
#include "core/finding.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROLES_MEMBERS 26
#define ROLES_UUID_SIZE 64
#define ROLES_FSTYPE_SIZE 16

/* One line of the mount table at ROOT or at a member; a later one covers an earlier one. */
struct roles_mount {
        char member; /* 'a' … 'z'; 0 is ROOT */
        uint64_t devno;
        int id; /* of the mount: a later mount of the same device has another */
        char fstype[ROLES_FSTYPE_SIZE];
        char uuid[ROLES_UUID_SIZE]; /* of the partition, lower case; "" if unknown */
        bool whole;                 /* the whole file system, not a subtree of it */
        bool read_only;
};

struct roles_member {
        bool exists; /* the mount point directory is there, or something is mounted */
        bool mounted;
        bool active;
        struct roles_mount mount; /* valid if mounted: what a path lookup reaches; for the active
                                     member, its ESP even if something covers it */
};

struct roles {
        bool root_mounted;
        struct roles_mount root;
        char active; /* letter, or 0 */
        struct roles_member members[ROLES_MEMBERS];
};

/*
 * directories[i] says whether the directory of member i exists. Problems that forbid all writing
 * (guards 1 and 2) are appended to findings. 0 or -ENOMEM.
 */
_must_check_ int roles_assign(const struct roles_mount *mounts, size_t n,
                              const bool directories[static ROLES_MEMBERS], struct roles *ret_roles,
                              struct findings *findings);

/* The member whose partition is uuid, or 0. */
char roles_find_uuid(const struct roles *roles, const char *uuid);

/* Whether a member is there in the same way, by the same mount. */
bool roles_member_equal(const struct roles_member *a, const struct roles_member *b);
