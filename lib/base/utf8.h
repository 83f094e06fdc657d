/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One character of UTF-8 at a time.
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The length of the well-formed UTF-8 character that text begins with, its code point in
 * *ret_code; 0 (and *ret_code untouched) if there is none: a stray or missing byte, an overlong
 * form, a surrogate, beyond U+10FFFF, or size is 0.
 */
size_t utf8_decode(const char *text, size_t size, uint32_t *ret_code);
