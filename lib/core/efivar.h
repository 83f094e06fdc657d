/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What EFI variables say about the partition that was booted from: raw bytes in, a GUID out.
 *
 * Input is the whole content of a file in efivarfs: four bytes of attributes, then the value.
 * Nothing is trusted: every length is checked before it is used.
 *
 * Sources: UEFI Specification 2.10, sections 3.1.3 (load options) and 10.3 (device paths);
 * Boot Loader Interface, https://systemd.io/BOOT_LOADER_INTERFACE/; Linux Documentation/filesystems/efivarfs.rst.
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

#define EFIVAR_VENDOR_LOADER "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define EFIVAR_VENDOR_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define EFIVAR_LOADER_DEVICE "LoaderDevicePartUUID-" EFIVAR_VENDOR_LOADER
#define EFIVAR_STUB_DEVICE "StubDevicePartUUID-" EFIVAR_VENDOR_LOADER
#define EFIVAR_BOOT_CURRENT "BootCurrent-" EFIVAR_VENDOR_GLOBAL

/* No variable that matters here is larger; efivarfs of a hostile firmware may hold more. */
#define EFIVAR_SIZE_MAX (64U * 1024U)

#define EFIVAR_GUID_SIZE (36 + 1)
#define EFIVAR_NAME_SIZE 64

enum efivar_outcome {
        EFIVAR_NO_PARTITION = 1, /* well-formed, but its device path names no GPT partition */
};

/*
 * The value of LoaderDevicePartUUID or StubDevicePartUUID: UTF-16LE text, NUL-terminated or not,
 * exactly one GUID. It is returned in lower case. -EBADMSG: anything else.
 */
_must_check_ int efivar_guid_text(const void *data, size_t size,
                                  char ret_guid[static EFIVAR_GUID_SIZE]);

/* The number in BootCurrent. -EBADMSG: not exactly a 16-bit value. */
_must_check_ int efivar_boot_current(const void *data, size_t size, uint16_t *ret_number);

/* The file name of load option number in efivarfs: "Boot0003-8be4df61-…". */
void efivar_boot_name(uint16_t number, char ret_name[static EFIVAR_NAME_SIZE]);

/*
 * The partition GUID in the HD() node (type 0x04, subtype 0x01, signature type 2) of the load
 * option's first device path, in lower case. GUIDs in the description, in other nodes, in later
 * device paths or in the optional data are never taken.
 * EFIVAR_NO_PARTITION: no such node (firmware's own automatic entries). -EBADMSG: malformed.
 */
_must_check_ int efivar_boot_partition(const void *data, size_t size,
                                       char ret_guid[static EFIVAR_GUID_SIZE]);
