/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting at start-up for something to appear: a mount, a file, a device. Woken by events (the
 * mount table, inotify on the directory where the file would appear), never by a period.
 */
#pragma once

#include "base/attr.h"

#include <stdint.h>

struct waiter;

/* 0 or < 0. */
_must_check_ int waiter_new(struct waiter **ret_waiter);
struct waiter *waiter_free(struct waiter *waiter);
void waiter_freep(struct waiter **waiter);
#define _cleanup_waiter_ _cleanup_(waiter_freep)

/* Wakes when something happens in directory, or, as long as that does not exist, in the nearest of
 * its parents that does. To be called before each look at what is waited for. */
_must_check_ int waiter_watch(struct waiter *waiter, const char *directory);

enum waiter_outcome {
        WAITER_TIMEOUT = 1,
};

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t waiter_now(void);

/* Waits for any event, at most until deadline (as waiter_now()). 0, WAITER_TIMEOUT or < 0. */
_must_check_ int waiter_wait(struct waiter *waiter, uint64_t deadline);
