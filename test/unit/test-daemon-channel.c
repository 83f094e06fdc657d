/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes into the channel comes out of it, and nothing else does.
 */
#include "channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
        int daemon, worker;
        char buffer[CHANNEL_SIZE_MAX];
};

static struct pair pair;

static int set_up(void **state _unused_) {
        return channel_pair(&pair.daemon, &pair.worker);
}

static int tear_down(void **state _unused_) {
        close(pair.daemon);
        close(pair.worker);
        return 0;
}

static struct channel_message receive(void) {
        struct channel_message message;

        assert_int_equal(channel_receive(pair.daemon, pair.buffer, &message), 0);
        return message;
}

static void test_message(void **state _unused_) {
        const struct channel_message sent = { .type = CHANNEL_FINDING,
                                              .kind = 7,
                                              .error = -5,
                                              .number = UINT64_MAX,
                                              .path = "a/b",
                                              .other = NULL };
        struct channel_message got;

        assert_int_equal(channel_send(pair.worker, &sent), 0);
        got = receive();
        assert_int_equal(got.type, CHANNEL_FINDING);
        assert_int_equal(got.kind, 7);
        assert_int_equal(got.error, -5);
        assert_true(got.number == UINT64_MAX);
        assert_string_equal(got.path, "a/b");
        assert_string_equal(got.other, "");
        assert_int_equal(got.list_size, 0);
        assert_int_equal(channel_receive(pair.daemon, pair.buffer, &got), CHANNEL_EMPTY);
}

static void test_item(void **state _unused_) {
        struct manifest from = MANIFEST_INIT, to = MANIFEST_INIT;
        const char text[] = "linux /T/1/linux\ninitrd /T/1/a\ninitrd /T/1/b\n";
        const struct manifest_stat st = { ITEM_FILE, sizeof(text), 12345 };
        struct channel_message got;

        assert_int_equal(manifest_set(&from, "loader/entries/T-1+2-1.conf", SCOPE_ENTRY, &st, text,
                                      sizeof(text) - 1),
                         0);
        assert_int_equal(channel_send_item(pair.worker, &from.items[0]), 0);
        got = receive();
        assert_int_equal(channel_to_item(&got, &to), 0);
        assert_int_equal(to.n, 1);
        assert_string_equal(to.items[0].path, from.items[0].path);
        assert_string_equal(to.items[0].key, "loader/entries/T-1.conf");
        assert_int_equal(to.items[0].refs.n, 3);
        assert_string_equal(to.items[0].refs.items[2], "T/1/b");
        assert_true(to.items[0].startable);
        assert_int_equal(to.items[0].size, sizeof(text));
        assert_int_equal(to.items[0].mtime, 12345);
        assert_int_equal(to.items[0].counter.left, 2);
        manifest_done(&from);
        manifest_done(&to);
}

static void test_record(void **state _unused_) {
        struct record sent = { .key = (char *) "k",
                               .size = 1,
                               .source_mtime = -2,
                               .target_mtime = 3,
                               .digest = { 4, 5 },
                               .racy = true },
                      got;
        struct channel_message message;

        assert_int_equal(channel_send_record(pair.worker, &sent, "k+3"), 0);
        message = receive();
        assert_string_equal(message.other, "k+3");
        channel_to_record(&message, &got);
        assert_string_equal(got.key, "k");
        assert_int_equal(got.size, 1);
        assert_int_equal(got.source_mtime, -2);
        assert_int_equal(got.target_mtime, 3);
        assert_true(digest_equal(got.digest, sent.digest));
        assert_true(got.racy);
}

static void test_answer(void **state _unused_) {
        static const int answers[] = { 0, 1, -1 };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                int got = 99;

                assert_int_equal(channel_answer(pair.daemon, answers[i]), 0);
                assert_int_equal(channel_read_answer(pair.worker, &got), 0);
                assert_int_equal(got, answers[i]);
        }
}

/* Every truncation of a packet is refused. */
static void test_truncated(void **state _unused_) {
        const struct channel_message sent = {
                .type = CHANNEL_ITEM, .path = "p", .list = "a\0b", .list_size = 4
        };
        char packet[1024];
        struct channel_message got;
        ssize_t n;

        assert_int_equal(channel_send(pair.worker, &sent), 0);
        n = recv(pair.daemon, packet, sizeof(packet), 0);
        assert_true(n > 0);
        for (ssize_t size = 1; size < n; size++) {
                assert_int_equal(send(pair.worker, packet, (size_t) size, 0), size);
                assert_int_equal(channel_receive(pair.daemon, pair.buffer, &got), -EBADMSG);
        }
        assert_int_equal(send(pair.worker, packet, (size_t) n, 0), n);
        assert_int_equal(channel_receive(pair.daemon, pair.buffer, &got), 0);
        assert_memory_equal(got.list, "a\0b", 4);
}

static void test_end(void **state _unused_) {
        struct channel_message got;
        int answer, spare;

        assert_int_equal(channel_send(pair.worker, &(struct channel_message){ .path = "last" }), 0);
        spare = dup(pair.daemon);
        close(pair.worker);
        got = receive();
        assert_string_equal(got.path, "last");
        assert_int_equal(channel_receive(pair.daemon, pair.buffer, &got), CHANNEL_END);
        assert_int_equal(channel_read_answer(pair.daemon, &answer), -EPIPE);
        assert_int_equal(channel_send(spare, &got), -EPIPE);
        close(spare);
        pair.worker = -1;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_message, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_item, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_record, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
