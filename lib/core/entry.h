/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot entries: names with boot counters, and what an entry's text names.
 *
 * Sources: UAPI.1 Boot Loader Specification; https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT/ .
 */
#pragma once

#include "base/attr.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>

/* An entry that is larger than this is not read: no boot loader reads it either. */
#define ENTRY_SIZE_MAX (64U * 1024U)

struct entry_counter {
        bool present;  /* the name carries +LEFT or +LEFT-DONE */
        unsigned left; /* tries left */
        unsigned done; /* tries done */
};

/*
 * Reads the boot counter of a path that ends in .conf or .efi ("…/foo+2-1.conf").
 * The digits of each number are at most 9; what does not match is part of the name.
 */
struct entry_counter entry_counter(const char *path);

/*
 * The path without its boot counter: the identity of an entry ("…/foo.conf"). The caller frees it;
 * NULL on lack of memory.
 */
char *entry_identity(const char *path);

/* The identity given the counter +left ("…/foo+3.conf"). The caller frees it; NULL on lack of memory. */
char *entry_counted(const char *identity, unsigned left);

enum entry_outcome {
        ENTRY_NO_KERNEL = 1, /* names nothing that could be started: none of linux, efi, uki */
};

/*
 * Appends to refs the paths that a Type #1 entry names by linux, initrd, devicetree,
 * devicetree-overlay (several in one line), efi and uki, as relative paths: leading slashes gone,
 * backslashes turned into slashes, doubled slashes joined. A path that is not well-formed then
 * ("..") is appended all the same: nothing has that name, so the entry is incomplete.
 * text need not be NUL-terminated and may hold any bytes.
 * ENTRY_NO_KERNEL (refs may have grown), -ENOMEM.
 */
_must_check_ int entry_refs(const char *text, size_t size, struct strlist *refs);
