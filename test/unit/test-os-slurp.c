/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/slurp.h"

#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>

static void test_read(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_buf_ struct buf text = BUF_INIT, empty = BUF_INIT, big = BUF_INIT;
        static char content[100000];

        scratch_write(scratch, "text", "some text\n");
        assert_int_equal(slurp(scratch->fd, "text", 100, &text), 0);
        assert_string_equal(buf_string(&text), "some text\n");
        assert_int_equal(text.size, 10);

        scratch_write(scratch, "empty", "");
        assert_int_equal(slurp(scratch->fd, "empty", 0, &empty), 0);
        assert_int_equal(empty.size, 0);
        assert_string_equal(buf_string(&empty), "");

        for (size_t i = 0; i < sizeof(content); i++)
                content[i] = (char) (i * 7);
        scratch_write_n(scratch, "big", content, sizeof(content));
        assert_int_equal(slurp(scratch->fd, "big", sizeof(content) - 1, &big), -EFBIG);
        assert_int_equal(slurp(scratch->fd, "big", sizeof(content), &big), 0);
        assert_int_equal(big.size, sizeof(content));
        assert_memory_equal(big.data, content, sizeof(content));
}

static void test_read_limits(void **state) {
        const struct scratch *scratch = *state;
        struct buf text = { .size = 77 };

        scratch_write(scratch, "ten", "0123456789");
        assert_int_equal(slurp(scratch->fd, "ten", 9, &text), -EFBIG);
        assert_int_equal(slurp(scratch->fd, "none", 9, &text), -ENOENT);
        assert_int_equal(slurp(scratch->fd, ".", 9, &text), -EISDIR);
        assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
        assert_int_equal(slurp(scratch->fd, "fifo", 9, &text), -ENXIO);
        assert_int_equal(slurp(AT_FDCWD, "/dev/null", 9, &text), -ENXIO);
        assert_int_equal(text.size, 77); /* untouched */
}

/* stat() says that this one is empty. */
static void test_read_procfs(void **state) {
        _cleanup_buf_ struct buf text = BUF_INIT;

        (void) state;
        assert_int_equal(slurp(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text), 0);
        assert_true(text.size > 20);
}

static void test_replace(void **state) {
        const struct scratch *scratch = *state;
        struct stat st;

        assert_int_equal(slurp_replace(scratch->fd, "a", "one", 3), 0);
        scratch_assert_content(scratch, "a", "one");
        assert_int_equal(fstatat(scratch->fd, "a", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        scratch_write(scratch, ".a.tmp", "left over by a crash");
        assert_int_equal(slurp_replace(scratch->fd, "a", "other", 5), 0);
        scratch_assert_content(scratch, "a", "other");
        assert_false(scratch_exists(scratch, ".a.tmp"));
        assert_int_equal(slurp_replace(scratch->fd, "empty", "", 0), 0);
        scratch_assert_content(scratch, "empty", "");
}

static void test_replace_fails(void **state) {
        const struct scratch *scratch = *state;

        scratch_mkdir(scratch, "a");
        scratch_write(scratch, "a/b", "");
        assert_int_equal(slurp_replace(scratch->fd, "a", "one", 3), -EISDIR);
        assert_false(scratch_exists(scratch, ".a.tmp"));
        assert_true(scratch_exists(scratch, "a/b"));
}

static void set_file_limit(rlim_t limit) {
        struct rlimit rlimit;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &rlimit), 0);
        rlimit.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &rlimit), 0);
}

static void test_append(void **state) {
        const struct scratch *scratch = *state;

        assert_int_equal(slurp_append(scratch->fd, "log", "x", 1), -ENOENT);
        assert_false(scratch_exists(scratch, "log"));
        scratch_write(scratch, "log", "one\n");
        assert_int_equal(slurp_append(scratch->fd, "log", "two\n", 4), 0);
        scratch_assert_content(scratch, "log", "one\ntwo\n");

        /* a line that does not fit leaves nothing of itself */
        signal(SIGXFSZ, SIG_IGN);
        set_file_limit(10);
        assert_int_equal(slurp_append(scratch->fd, "log", "three\n", 6), -EFBIG);
        set_file_limit(RLIM_INFINITY);
        scratch_assert_content(scratch, "log", "one\ntwo\n");

        assert_int_equal(symlinkat("log", scratch->fd, "link"), 0);
        assert_int_equal(slurp_append(scratch->fd, "link", "x", 1), -ELOOP);
}

static void test_names(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_strlist_ struct strlist all = STRLIST_INIT, directories = STRLIST_INIT;
        static const char *const expected[] = { ".hidden", "6.1", "6.10", "file", "link" };
        struct strlist none = { .n = 77 };

        scratch_mkdir(scratch, "6.10");
        scratch_mkdir(scratch, "6.1");
        scratch_write(scratch, "file", "");
        scratch_write(scratch, ".hidden", "");
        assert_int_equal(symlinkat("6.1", scratch->fd, "link"), 0);

        assert_int_equal(slurp_names(scratch->path, false, &all), 0);
        assert_int_equal(all.n, ELEMENTSOF(expected));
        for (size_t i = 0; i < all.n; i++)
                assert_string_equal(all.items[i], expected[i]);

        assert_int_equal(slurp_names(scratch->path, true, &directories), 0);
        assert_int_equal(directories.n, 2);
        assert_string_equal(directories.items[0], "6.1");
        assert_string_equal(directories.items[1], "6.10");

        assert_int_equal(slurp_names("/nonexistent", true, &none), -ENOENT);
        assert_int_equal(none.n, 77);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(test_read),          scratch_test(test_read_limits),
                scratch_test(test_read_procfs),   scratch_test(test_replace),
                scratch_test(test_replace_fails), scratch_test(test_append),
                scratch_test(test_names),
        };

        return cmocka_run_group_tests_name("os/slurp", tests, NULL, NULL);
}
