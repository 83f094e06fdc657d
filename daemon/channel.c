/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One packet a message: the struct with its pointers blanked, then path, other and list. Both ends
 * are the same program, so the struct goes as it is; lengths are checked all the same.
 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int channel_pair(int *ret_daemon, int *ret_worker) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        *ret_daemon = fds[0];
        *ret_worker = fds[1];
        return 0;
}

int channel_send(int fd, const struct channel_message *message) {
        struct channel_message head = *message;
        const char *path = message->path ? message->path : "";
        const char *other = message->other ? message->other : "";
        struct iovec parts[] = {
                { &head, sizeof(head) },
                { (void *) path, strlen(path) + 1 },
                { (void *) other, strlen(other) + 1 },
                { (void *) message->list, message->list_size },
        };
        struct msghdr packet = { .msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts) };
        ssize_t n;

        head.path = head.other = head.list = NULL;
        do
                n = sendmsg(fd, &packet, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int channel_receive(int fd, char *buffer, struct channel_message *ret_message) {
        struct channel_message message;
        char *path, *other, *list, *end;
        ssize_t n;

        n = recv(fd, buffer, CHANNEL_SIZE_MAX, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? CHANNEL_EMPTY
                       : errno == ECONNRESET             ? CHANNEL_END
                                                         : -errno;
        if (n == 0)
                return CHANNEL_END;
        if ((size_t) n < sizeof(message))
                return -EBADMSG;
        memcpy(&message, buffer, sizeof(message));

        end = buffer + n;
        path = buffer + sizeof(message);
        other = memchr(path, '\0', (size_t) (end - path));
        list = other ? memchr(other + 1, '\0', (size_t) (end - other - 1)) : NULL;
        if (!list || (size_t) (end - list - 1) != message.list_size)
                return -EBADMSG;
        message.path = path;
        message.other = other + 1;
        message.list = list + 1;
        *ret_message = message;
        return 0;
}

int channel_answer(int fd, int answer) {
        signed char byte = answer < 0 ? -1 : answer > 0 ? 1 : 0;

        return send(fd, &byte, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int channel_read_answer(int fd, int *ret_answer) {
        signed char byte;
        ssize_t n;

        do
                n = recv(fd, &byte, 1, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -EPIPE;
        *ret_answer = (int) byte;
        return 0;
}

int channel_send_item(int fd, const struct item *item) {
        _cleanup_buf_ struct buf refs = BUF_INIT;
        struct channel_message message = {
                .type = CHANNEL_ITEM,
                .kind = (int) item->type,
                .error = (int) item->class,
                .flag = item->startable,
                .number = item->size,
                .target_mtime = item->mtime,
                .path = item->path,
        };
        int r = 0;

        for (size_t i = 0; i < item->refs.n && r == 0; i++)
                r = buf_append(&refs, item->refs.items[i], strlen(item->refs.items[i]) + 1);
        if (r < 0)
                return r;
        message.list = refs.data;
        message.list_size = refs.size;
        return channel_send(fd, &message);
}

int channel_to_item(const struct channel_message *message, struct manifest *manifest) {
        struct item item = {
                .path = (char *) message->path,
                .type = (enum item_type) message->kind,
                .class = (enum scope_class) message->error,
                .startable = message->flag,
                .size = message->number,
                .mtime = message->target_mtime,
        };
        const char *at = message->list, *end = message->list + message->list_size;
        int r = 0;

        while (at < end && r == 0) {
                const char *stop = memchr(at, '\0', (size_t) (end - at));

                if (!stop)
                        r = -EBADMSG;
                else
                        r = strlist_add(&item.refs, at);
                at = stop ? stop + 1 : end;
        }
        if (r == 0)
                r = manifest_set_item(manifest, &item);
        strlist_done(&item.refs);
        return r;
}

int channel_send_record(int fd, const struct record *record, const char *path) {
        return channel_send(fd, &(struct channel_message){ .type = CHANNEL_RECORD,
                                                           .path = record->key,
                                                           .other = path,
                                                           .number = record->size,
                                                           .source_mtime = record->source_mtime,
                                                           .target_mtime = record->target_mtime,
                                                           .digest = record->digest,
                                                           .flag = record->racy });
}

void channel_to_record(const struct channel_message *message, struct record *ret_record) {
        *ret_record = (struct record){ .key = (char *) message->path,
                                       .size = message->number,
                                       .source_mtime = message->source_mtime,
                                       .target_mtime = message->target_mtime,
                                       .digest = message->digest,
                                       .racy = message->flag };
}
