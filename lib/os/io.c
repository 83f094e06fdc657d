/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loops around read() and write() that every caller would need.
 *
 * Left out on purpose: a retry of anything but EINTR. Descriptors are non-blocking only so that
 * open() cannot hang on a fifo; regular files never answer EAGAIN.
 */
#include "os/io.h"

#include <errno.h>
#include <sys/mman.h>

void *io_buffer_new(size_t size) {
        void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return buffer == MAP_FAILED ? NULL : buffer;
}

void *io_buffer_free(void *buffer, size_t size) {
        if (buffer)
                munmap(buffer, size);
        return NULL;
}

int64_t io_nsec(int64_t sec, uint32_t nsec) {
        int64_t value;

        if (__builtin_mul_overflow(sec, INT64_C(1000000000), &value) ||
            __builtin_add_overflow(value, (int64_t) nsec, &value))
                return sec < 0 ? INT64_MIN : INT64_MAX;
        return value;
}

ssize_t io_read(int fd, void *buffer, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = read(fd, (char *) buffer + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        return (ssize_t) done;
}

int io_write(int fd, const void *data, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = write(fd, (const char *) data + done, size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0) /* no file system does that; but better an error than a loop */
                        return -EIO;
                done += (size_t) n;
        }
        return 0;
}

int io_fsync(int fd) {
        while (fsync(fd) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}
