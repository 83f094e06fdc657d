/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a round has to tell: values, without words. The daemon words them, in one place.
 *
 * The numbered ones are the guards, in the order in which they are asked; a round or a removal
 * that one of them holds back is not done. The numbers are part of the interface: the manual lists
 * them, and journal messages carry them.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding_kind {
        /* Guards of the source: nothing is written anywhere. */
        FINDING_ROOT_NOT_MOUNTED = 101,  /* 1: ROOT is no mount point */
        FINDING_ROOT_AUTOFS,             /* 1: ROOT is an automount. */
        FINDING_ROOT_NO_MEMBER = 201,    /* 2: what is mounted on ROOT is at no ROOT@[a-z] */
        FINDING_MEMBERS_SHARE_DEVICE,    /* 2: one partition at two members: path, other */
        FINDING_MEMBERS_SHARE_UUID,      /* 2: two partitions with one PARTUUID: path, other */
        FINDING_NO_LOADER = 301,         /* 3: ROOT/loader is no directory */
        FINDING_NO_MACHINE_ID = 401,     /* 4: no valid machine id */
        FINDING_BAD_ENTRY_TOKEN,         /* 4: /etc/kernel/entry-token holds no token: other */
        FINDING_NO_MODULES = 501,        /* 5: no kernel in /lib/modules: error or 0 */
        FINDING_NEWEST_MISSING = 601,    /* 6: ROOT does not hold the newest kernel: other */
        FINDING_SOURCE_UNREADABLE = 701, /* 7: path could not be read (error): removals frozen */
        FINDING_SOURCE_LOST, /* 7: the source's device is gone or fails a flush (error) */

        /* Guards of a target: it is left as it is. */
        FINDING_TARGET_MISSING = 801, /* 8: nothing is mounted at its mount point */
        FINDING_TARGET_WRONG_FS,      /* 8: its file system type is not allowed: other */
        FINDING_TARGET_READ_ONLY,     /* 8 */
        FINDING_TARGET_IS_SOURCE,     /* 8: it is on the source's device */
        FINDING_TARGET_NEWER = 901,   /* 9: it holds the newer kernel other, of unknown origin */
        FINDING_TARGET_FULL = 1001,   /* 10: number bytes are missing */

        /* Guards of a removal: what they hold back stays. */
        FINDING_LAST_ENTRY = 1101,   /* 11: no complete entry would be left */
        FINDING_RUNNING_KERNEL,      /* 11: path belongs to the running kernel */
        FINDING_EXTRA = 1201,        /* 12: path is not on the source, and nobody saw it go */
        FINDING_SOURCE_NOT_BOOTABLE, /* 12: the newest kernel other has no complete entry there */
        FINDING_IN_THE_WAY,          /* 12: path cannot be replaced: it is what boots */

        /* Single files. */
        FINDING_ENTRY_INCOMPLETE = 2001, /* the entry path names other, which is not there */
        FINDING_ENTRY_OUTSIDE,           /* the entry path names other, which is not mirrored */
        FINDING_ENTRY_NO_KERNEL,         /* the entry path names nothing to start */
        FINDING_BAD_NAME,                /* FAT cannot hold the name path */
        FINDING_SPECIAL,                 /* path is a link, fifo, socket or device */
        FINDING_OTHER_MOUNT,             /* another file system is mounted at path */
        FINDING_TOO_MUCH,                /* too deep or too many files at path */
        FINDING_BUSY,                    /* path is open for writing */
        FINDING_CHANGED,                 /* path changed while it was copied: it is copied again */
        FINDING_DRIFT,                   /* path had changed on the target: repaired */
        FINDING_SOURCE_ERROR,            /* path could not be copied: error */
        FINDING_TARGET_ERROR,            /* path: the step other failed: error */
        FINDING_CORRUPT,                 /* path read back differs from what was written */
};

struct finding {
        enum finding_kind kind;
        char *path;  /* "" where it says nothing; never NULL */
        char *other; /* likewise */
        uint64_t number;
        int error;
};

struct findings {
        struct finding *items;
        size_t n;
        size_t room;
};

#define FINDINGS_INIT ((struct findings){ 0 })

void findings_done(struct findings *findings);
#define _cleanup_findings_ _cleanup_(findings_done)

/* Appends; path and other are copied, NULL stands for "". 0 or -ENOMEM. */
_must_check_ int findings_add(struct findings *findings, enum finding_kind kind, const char *path,
                              const char *other, uint64_t number, int error);

/* The number of the guard, 1 to 12; 0 if the finding is none of theirs. */
unsigned finding_guard(enum finding_kind kind);

/* Whether it speaks of the source alone, whatever target it was met at. */
bool finding_is_of_source(enum finding_kind kind);
