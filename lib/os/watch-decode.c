/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's event records, taken apart with each length checked: a fuzzer can call this with any
 * bytes, and nothing but memory is touched. Nothing needs to be aligned.
 */
#include "os/watch.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

int watch_decode(const void *data, size_t size, watch_event_fn on_event, void *userdata) {
        const char *at = data;

        while (size > 0) {
                struct inotify_event raw;
                struct watch_event event;
                int r;

                if (size < sizeof(raw))
                        return -EBADMSG;
                memcpy(&raw, at, sizeof(raw));
                at += sizeof(raw);
                size -= sizeof(raw);
                if (raw.len > size || (raw.len > 0 && !memchr(at, '\0', raw.len)))
                        return -EBADMSG;
                event = (struct watch_event){
                        .wd = raw.wd,
                        .mask = raw.mask,
                        .name = raw.len > 0 ? at : "",
                };
                at += raw.len;
                size -= raw.len;
                r = on_event(&event, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}
