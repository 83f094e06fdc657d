/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time spans as systemd.time(7) spells them.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"

#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define TIMESPAN_INFINITY UINT64_MAX

/*
 * "2s", "1h 30min", "500ms", "1week", "1.5s", "infinity"; a bare number counts seconds.
 * Units: usec us µs msec ms seconds second sec s minutes minute min m hours hour hr h days day d
 * weeks week w months month M years year y.
 * -EINVAL: not a time span. -ERANGE: more than 64 bits of microseconds hold.
 */
_must_check_ int timespan_parse(const char *text, uint64_t *ret_usec);

/* Appends a form that timespan_parse() reads back to the same value ("1min 30s", "0", "infinity"). */
_must_check_ int timespan_format(struct buf *buf, uint64_t usec);
