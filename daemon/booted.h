/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which partition the machine was booted from, as the firmware's variables tell it:
 * LoaderDevicePartUUID, else StubDevicePartUUID, else the partition of the load option that
 * BootCurrent names.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "core/efivar.h"
#include "waiter.h"

#include <stdint.h>

#define BOOTED_EFI_DIRECTORY "/sys/firmware/efi"
#define BOOTED_EFIVARS_DIRECTORY BOOTED_EFI_DIRECTORY "/efivars"

struct booted {
        char uuid[EFIVAR_GUID_SIZE];
        char variable[EFIVAR_NAME_SIZE]; /* what told it */
};

enum booted_outcome {
        BOOTED_UNKNOWN = 1, /* why: which variables were looked at, and what each holds */
        BOOTED_NO_EFI = 2,  /* not booted by UEFI */
};

/*
 * Waits until deadline for LoaderDevicePartUUID to appear; not at all once efivarfs is mounted:
 * it shows every variable from its first moment, and boot loaders write theirs before the kernel
 * starts. waiter may be NULL if deadline is 0.
 */
_must_check_ int booted_find(struct waiter *waiter, uint64_t deadline, struct booted *ret_booted,
                             struct buf *ret_why);
