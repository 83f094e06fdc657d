/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiler attributes and scope-bound cleanup.
 *
 * A variable marked with one of the _cleanup_…_ words is released when it goes out of scope, on
 * every way out of the function. Ownership that leaves the function is moved out with steal_fd()
 * or steal_ptr(), so that a reader sees the transfer.
 *
 * The result convention of the whole library: a function that can fail returns int.
 *   < 0   a fault, as -errno; the caller passes it up unchanged;
 *     0   done;
 *   > 0   a named outcome of that very function, which its caller handles and never passes on.
 * Outputs come last, are named ret_…, and are untouched unless the function says otherwise.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _must_check_ __attribute__((warn_unused_result))
#define _nonnull_(...) __attribute__((nonnull(__VA_ARGS__)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _pure_ __attribute__((pure))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

static inline void attr_freep(void *p) {
        free(*(void **) p);
}

static inline void attr_closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void attr_closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

static inline void attr_fclosep(FILE **file) {
        if (*file)
                fclose(*file);
}

#define _cleanup_free_ _cleanup_(attr_freep)
#define _cleanup_close_ _cleanup_(attr_closep)
#define _cleanup_closedir_ _cleanup_(attr_closedirp)
#define _cleanup_fclose_ _cleanup_(attr_fclosep)

/* Takes the descriptor out of *fd and leaves -1 there. */
static inline int steal_fd(int *fd) {
        int taken = *fd;

        *fd = -1;
        return taken;
}

/* Takes the pointer out of the variable p and leaves NULL there. */
#define steal_ptr(p)                                                                               \
        ({                                                                                         \
                __typeof__(p) _taken_ = (p);                                                       \
                (p) = NULL;                                                                        \
                _taken_;                                                                           \
        })
