/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel versions and their order.
 *
 * Source: UAPI.10 Version Format Specification, https://uapi-group.org/specifications/specs/version_format_specification/
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>

/* < 0, 0 or > 0 as a is older than, as old as or newer than b. Never fails: any two strings have
 * an order. */
_pure_ int version_compare(const char *a, const char *b);

/* Whether a name in /lib/modules or in TOKEN/ is a kernel version that counts: it begins with a
 * digit, and it is not kernel-install's "0-rescue", which has no modules. */
_pure_ bool version_is_kernel(const char *name);
