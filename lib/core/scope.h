/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What on an ESP belongs to this system.
 *
 * In scope, for each TOKEN of {machine id, entry token}:
 *   TOKEN/…                          payload (kernels, initrds)
 *   loader/entries/TOKEN-*.conf      Type #1 entries
 *   EFI/Linux/TOKEN-*.efi            UKIs, Type #2 entries
 *   EFI/Linux/TOKEN-*.efi.extra.d/…  payload (the UKI's side-cars)
 * and the extra paths of the configuration, whole. After a token that is not the machine id the
 * '-' must be followed by a digit: fedora-asahi-… is not fedora's. A token is matched as a whole
 * component or as the head of a name, never as a substring. Everything else is never touched.
 */
#pragma once

#include "base/attr.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>

/* Our temporary files: TEMP_PREFIX, a number, TEMP_SUFFIX. The leading dot hides them from boot
 * loaders; whatever has this form in a directory in scope is a leftover of ours. */
#define SCOPE_TEMP_PREFIX ".bootsync-"
#define SCOPE_TEMP_SUFFIX ".tmp"

enum scope_class {
        SCOPE_OUTSIDE, /* not ours */
        SCOPE_WAY, /* a directory on the way to what is ours: made where missing, never removed */
        SCOPE_PAYLOAD,  /* a file or directory that is ours and is no entry */
        SCOPE_ENTRY,    /* a Type #1 entry */
        SCOPE_UKI,      /* a Type #2 entry */
        SCOPE_LEFTOVER, /* a temporary file of ours that a crash left behind */
};

struct scope {
        char *machine_id;      /* 32 lower-case hexadecimal digits */
        struct strlist tokens; /* the machine id first; no duplicates */
        struct strlist extra_paths;
};

#define SCOPE_INIT ((struct scope){ 0 })

/* Copies its arguments. tokens need not hold the machine id. 0 or -ENOMEM. */
_must_check_ int scope_init(struct scope *scope, const char *machine_id,
                            const struct strlist *tokens, const struct strlist *extra_paths);
void scope_done(struct scope *scope);
#define _cleanup_scope_ _cleanup_(scope_done)

/* Whether text can be an entry token: one name that FAT can hold, without a leading dot, and not
 * "EFI" or "loader". */
bool scope_token_valid(const char *text);

/* is_dir says what the name is; an entry's name on a directory is outside. */
enum scope_class scope_classify(const struct scope *scope, const char *path, bool is_dir);

/*
 * Whether a path in scope belongs to a kernel version, and to which: the component after TOKEN/, or
 * what follows TOKEN- in the name of an entry, UKI or side-car folder, without the suffix. key is a
 * path without boot counter. TOKEN itself and extra paths belong to none. "0-rescue" is returned like
 * any other; version_is_kernel() tells it apart.
 */
#define SCOPE_VERSION_SIZE 256
_must_check_ bool scope_version(const struct scope *scope, const char *key,
                                char ret_version[static SCOPE_VERSION_SIZE]);

/* Whether both describe the same set of paths. */
bool scope_equal(const struct scope *a, const struct scope *b);
