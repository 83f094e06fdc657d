/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths below the root of an ESP: relative, components joined by single slashes, "" for the root.
 *
 * FAT compares names without regard to case, so every comparison here folds ASCII letters; what
 * belongs to a boot loader is spelled in ASCII.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/* Well-formed and without "." and "..": safe to look up below a directory descriptor. */
bool relpath_valid(const char *path);

/* Order of whole paths, ASCII letters folded, '/' before every other byte: a directory comes right
 * before what is in it. */
int relpath_compare(const char *a, const char *b);

bool relpath_equal(const char *a, const char *b);

/* Whether path is dir or lies below it. Every path lies below "". */
bool relpath_below(const char *path, const char *dir);

/* The last component: a pointer into path. */
const char *relpath_name(const char *path);

/* The length of path's directory part, without its slash; 0 if it lies in the root. */
size_t relpath_dir_length(const char *path);

/* dir/name, or name if dir is "". NULL on lack of memory. */
char *relpath_join(const char *dir, const char *name);

/*
 * Whether FAT with long names can hold this one name as it is: no control character, none of
 * "*?<>|:\ and no '"', no trailing dot or blank, valid UTF-8, at most 255 UTF-16 units.
 * Source: Linux fs/fat/namei_vfat.c.
 */
bool relpath_name_fits_fat(const char *name);
