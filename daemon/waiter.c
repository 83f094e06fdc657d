/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two descriptors and poll(). Events are not looked at: each one only means "look again".
 */
#include "waiter.h"

#include "base/timespan.h"
#include "os/mounts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#define WATCH_MASK (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR)

struct waiter {
        int inotify;
        struct mounts_monitor *monitor;
};

int waiter_new(struct waiter **ret_waiter) {
        _cleanup_waiter_ struct waiter *waiter = calloc(1, sizeof(*waiter));
        int r;

        if (!waiter)
                return -ENOMEM;
        waiter->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (waiter->inotify < 0)
                return -errno;
        r = mounts_monitor_new(&waiter->monitor);
        if (r < 0)
                return r;
        *ret_waiter = steal_ptr(waiter);
        return 0;
}

struct waiter *waiter_free(struct waiter *waiter) {
        if (!waiter)
                return NULL;
        if (waiter->inotify >= 0)
                close(waiter->inotify);
        mounts_monitor_free(waiter->monitor);
        free(waiter);
        return NULL;
}

void waiter_freep(struct waiter **waiter) {
        *waiter = waiter_free(*waiter);
}

int waiter_watch(struct waiter *waiter, const char *directory) {
        _cleanup_free_ char *path = strdup(directory);

        if (!path)
                return -ENOMEM;
        for (;;) {
                char *slash = strrchr(path, '/');

                if (inotify_add_watch(waiter->inotify, path[0] ? path : "/", WATCH_MASK) >= 0)
                        return 0;
                if (errno == ENOSPC) /* no watch is left: the mount table still wakes us */
                        return 0;
                if ((errno != ENOENT && errno != ENOTDIR) || !slash)
                        return -errno;
                *slash = '\0';
        }
}

uint64_t waiter_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

static void drain_inotify(int fd) {
        char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

        while (read(fd, events, sizeof(events)) > 0)
                ;
}

int waiter_wait(struct waiter *waiter, uint64_t deadline) {
        uint64_t now = waiter_now(), left = deadline > now ? deadline - now : 0;
        struct timespec timeout = { .tv_sec = (time_t) (left / USEC_PER_SEC),
                                    .tv_nsec = (long) (left % USEC_PER_SEC) * 1000 };
        struct pollfd fds[] = {
                { .fd = waiter->inotify, .events = POLLIN },
                { .fd = mounts_monitor_fd(waiter->monitor), .events = POLLIN },
        };
        int n;

        n = ppoll(fds, ELEMENTSOF(fds), &timeout, NULL);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        if (n == 0)
                return WAITER_TIMEOUT;
        drain_inotify(waiter->inotify);
        return mounts_monitor_drain(waiter->monitor);
}
