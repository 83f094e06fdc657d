/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading, writing and flushing through whatever interrupts a system call.
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A buffer straight from the kernel, so that its pages go back at once when it is freed; NULL on
 * lack of memory. The size is the same for both calls. */
void *io_buffer_new(size_t size);
void *io_buffer_free(void *buffer, size_t size);

/* A time stamp as nanoseconds since the epoch; what does not fit becomes the nearest that does. */
int64_t io_nsec(int64_t sec, uint32_t nsec);

/* Reads until size bytes are there or the file ends. Returns their number or -errno. */
_must_check_ ssize_t io_read(int fd, void *buffer, size_t size);

/* Writes all of it. 0 or -errno. */
_must_check_ int io_write(int fd, const void *data, size_t size);

/* fsync(), repeated only when a signal cut it short: a flush that failed must not be tried again on
 * the same descriptor, which has forgotten what was lost. 0 or -errno. */
_must_check_ int io_fsync(int fd);
