/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inotify over the directories of an ESP that are in scope or on the way to it.
 *
 * Events become three kinds of news: a path is dirty, a path was removed (a witness), or the watch
 * can vouch for nothing any more (lost): overflow, too few watches, unmounted. Watches are set
 * before a directory is listed, so that nothing falls between. No descriptor stays open on the ESP.
 */
#pragma once

#include "base/attr.h"
#include "core/scope.h"

#include <stddef.h>
#include <stdint.h>

enum watch_news {
        WATCH_DIRTY,     /* path (a file or directory) was made, changed or moved here: look again,
                            and compare content. A directory: with all that is below it */
        WATCH_WRITING,   /* path was written to and is not closed yet */
        WATCH_REMOVED,   /* path was removed or moved away, with all that was below it */
        WATCH_OVERFLOW,  /* events were lost: look at everything */
        WATCH_UNMOUNTED, /* the file system was unmounted, or its root is gone */
        WATCH_LIMIT,     /* a directory cannot be watched: fs.inotify.max_user_watches is reached */
        WATCH_ERROR,     /* a directory cannot be watched or read: error */
};

/* Called for each piece of news; path is "" where it says nothing. Non-zero is passed up. */
typedef int (*watch_news_fn)(enum watch_news news, const char *path, int error, void *userdata);

struct watch;

/* An inotify descriptor (non-blocking, close-on-exec) without any watch yet. */
_must_check_ int watch_new(struct watch **ret_watch);
struct watch *watch_free(struct watch *watch);
void watch_freep(struct watch **watch);
#define _cleanup_watch_ _cleanup_(watch_freep)

int watch_fd(const struct watch *watch);
size_t watch_count(const struct watch *watch);

/* Sets watches on all directories of the tree root that matter to scope; watches that are there
 * already stay, those of directories that do not matter (any more) end. Limits and errors are news;
 * a limit is told once. scope and news are kept: scope must outlive the watch or the next
 * watch_start(). 0, -ENOMEM, or what on_news returned. */
_must_check_ int watch_start(struct watch *watch, int root, const struct scope *scope,
                             watch_news_fn on_news, void *userdata);

/*
 * Reads all queued events and turns them into news; new directories get watches, for which the
 * tree is opened by open_root() (returns a descriptor, which is closed here, or -errno) only when
 * needed. Never blocks. 0 or < 0.
 */
typedef int (*watch_open_fn)(void *userdata);
_must_check_ int watch_drain(struct watch *watch, watch_open_fn open_root);

/* One raw event. name is "" for one about the watched directory itself. */
struct watch_event {
        int wd;
        uint32_t mask;
        const char *name;
};

/*
 * Takes a buffer apart that was read from an inotify descriptor: on_event is called for each event,
 * in order; non-zero ends the work and is passed up. -EBADMSG: a length leads out of the buffer, or
 * a name has no end.
 */
typedef int (*watch_event_fn)(const struct watch_event *event, void *userdata);
_must_check_ int watch_decode(const void *data, size_t size, watch_event_fn on_event,
                              void *userdata);
