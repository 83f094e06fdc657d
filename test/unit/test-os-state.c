/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/state.h"

#include "scratch.h"

#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TARGET "0fc63daf-8483-4772-8e79-3d69d8477de4"
#define SOURCE "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

static const struct scratch *remove_before_lock;

/* Takes the place of libc's: another process may remove the file between open() and flock(). */
int flock(int fd, int operation) {
        if (remove_before_lock)
                scratch_unlink(remove_before_lock, "lock", false);
        remove_before_lock = NULL;
        return (int) syscall(SYS_flock, fd, operation);
}

static void test_lock(void **state) {
        const struct scratch *scratch = *state;
        char directory[300];
        int first = -1, second = -1;
        pid_t holder = -1;

        snprintf(directory, sizeof(directory), "%s/run", scratch->path);
        assert_int_equal(state_lock(directory, &first, &holder), 0);
        assert_true(first >= 0);
        assert_int_equal(holder, -1);
        assert_int_equal(state_lock(directory, &second, &holder), STATE_LOCKED);
        assert_int_equal(holder, getpid());
        assert_int_equal(second, -1);

        close(first);
        assert_int_equal(state_lock(directory, &second, &holder), 0);
        close(second);
}

/* A process that dies lets go, and a longer number in the file leaves nothing behind. */
static void test_lock_outlived(void **state) {
        const struct scratch *scratch = *state;
        pid_t child, holder = 0;
        char text[32];
        int fd, status;

        child = fork();
        if (child == 0)
                _exit(state_lock(scratch->path, &fd, &holder) == 0 ? 0 : 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);

        scratch_write(scratch, "lock", "1234567890\n");
        assert_int_equal(state_lock(scratch->path, &fd, &holder), 0);
        snprintf(text, sizeof(text), "%d\n", (int) getpid());
        scratch_assert_content(scratch, "lock", text);
        close(fd);
}

/* The lock of a file that somebody removed protects nothing: the next one takes a new file. */
static void test_lock_removed(void **state) {
        const struct scratch *scratch = *state;
        int first, second, third;
        pid_t holder = 0;

        assert_int_equal(state_lock(scratch->path, &first, &holder), 0);
        scratch_unlink(scratch, "lock", false);
        assert_int_equal(state_lock(scratch->path, &second, &holder), 0);
        assert_int_equal(state_lock(scratch->path, &third, &holder), STATE_LOCKED);
        close(first);
        close(second);
}

static void test_lock_removed_meanwhile(void **state) {
        const struct scratch *scratch = *state;
        int first = -1, second = -1;
        pid_t holder = 0;

        remove_before_lock = scratch;
        assert_int_equal(state_lock(scratch->path, &first, &holder), 0);
        assert_true(scratch_exists(scratch, "lock"));
        assert_int_equal(state_lock(scratch->path, &second, &holder), STATE_LOCKED);
        close(first);
}

static void test_lock_refused(void **state) {
        const struct scratch *scratch = *state;
        pid_t holder;
        int fd;

        assert_int_equal(symlinkat("elsewhere", scratch->fd, "lock"), 0);
        assert_int_equal(state_lock(scratch->path, &fd, &holder), -ELOOP);
        assert_int_equal(state_lock("/proc/nowhere/run", &fd, &holder), -ENOENT);
}

static struct record make_record(char *key, uint64_t size) {
        return (struct record){ .key = key, .size = size, .source_mtime = 5, .target_mtime = 6 };
}

static void store(const char *directory, char *key) {
        _cleanup_(baseline_done) struct baseline baseline = BASELINE_INIT;
        struct record record = make_record(key, 17);

        baseline.source = strdup(SOURCE);
        assert_int_equal(baseline_set(&baseline, &record), 0);
        assert_int_equal(state_store(directory, TARGET, &baseline), 0);
}

static void test_store_load(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_(baseline_done) struct baseline loaded = BASELINE_INIT;
        const struct record *record;
        char directory[300], key[] = "loader/entries/a.conf";
        bool rewrite = true;
        struct stat st;

        snprintf(directory, sizeof(directory), "%s/lib", scratch->path);
        assert_int_equal(state_load(directory, TARGET, SOURCE, &loaded, &rewrite), STATE_NONE);
        store(directory, key);
        assert_int_equal(stat(directory, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_true(scratch_exists(scratch, "lib/" TARGET ".base"));

        assert_int_equal(state_load(directory, TARGET, SOURCE, &loaded, &rewrite), 0);
        assert_false(rewrite);
        record = baseline_find(&loaded, key);
        assert_non_null(record);
        assert_int_equal(record->size, 17);
}

static void test_load_others(void **state) {
        const struct scratch *scratch = *state;
        struct baseline loaded = BASELINE_INIT;
        char key[] = "a";
        bool rewrite = false;

        store(scratch->path, key);
        assert_int_equal(state_load(scratch->path, TARGET, TARGET, &loaded, &rewrite), STATE_NONE);
        assert_int_equal(state_load(scratch->path, SOURCE, SOURCE, &loaded, &rewrite), STATE_NONE);
        scratch_write(scratch, TARGET ".base", "something else\n");
        assert_int_equal(state_load(scratch->path, TARGET, SOURCE, &loaded, &rewrite), -EBADMSG);
        assert_null(loaded.records);
}

static void test_append(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_(baseline_done) struct baseline loaded = BASELINE_INIT;
        _cleanup_buf_ struct buf lines = BUF_INIT;
        char key[] = "a", other[] = "b";
        struct record record = make_record(other, 18);
        bool rewrite = true;
        size_t size = 0;
        struct stat st;

        store(scratch->path, key);
        assert_int_equal(baseline_format_record(&lines, &record), 0);
        assert_int_equal(baseline_format_drop(&lines, key), 0);
        assert_int_equal(state_append(scratch->path, TARGET, &lines, &size), 0);
        assert_int_equal(fstatat(scratch->fd, TARGET ".base", &st, 0), 0);
        assert_int_equal(size, st.st_size);

        assert_int_equal(state_load(scratch->path, TARGET, SOURCE, &loaded, &rewrite), 0);
        assert_false(rewrite);
        assert_null(baseline_find(&loaded, key));
        assert_int_equal(baseline_find(&loaded, other)->size, 18);
        assert_int_equal(state_append(scratch->path, SOURCE, &lines, &size), -ENOENT);
}

/* Cut at any byte, it gives what was complete, and asks to be written anew; only a cut between two
 * lines cannot be seen. */
static void test_torn(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_buf_ struct buf lines = BUF_INIT;
        char key[] = "a", other[] = "b";
        struct record record = make_record(other, 18);
        size_t size = 0;

        store(scratch->path, key);
        assert_int_equal(baseline_format_record(&lines, &record), 0);
        assert_int_equal(state_append(scratch->path, TARGET, &lines, &size), 0);
        for (size_t cut = 1; cut < lines.size; cut++) {
                _cleanup_(baseline_done) struct baseline loaded = BASELINE_INIT;
                char path[400];
                bool rewrite = false;

                snprintf(path, sizeof(path), "%s/" TARGET ".base", scratch->path);
                assert_int_equal(truncate(path, (off_t) (size - cut)), 0);
                assert_int_equal(state_load(scratch->path, TARGET, SOURCE, &loaded, &rewrite), 0);
                assert_true(rewrite);
                assert_non_null(baseline_find(&loaded, key));
                assert_null(baseline_find(&loaded, other));
        }
}

static void test_names(void **state) {
        static const char long_one[] = "0123456789012345678901234567890123456789"
                                       "0123456789012345678901234567890123456789";
        static const char *const bad[] = {
                "", "../x", "a/b", "ABCD", "12 34", "g", ".", long_one,
        };
        const struct scratch *scratch = *state;
        struct baseline baseline = BASELINE_INIT;
        struct buf lines = BUF_INIT;
        bool rewrite;
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(state_load(scratch->path, bad[i], SOURCE, &baseline, &rewrite),
                                 -EINVAL);
                assert_int_equal(state_store(scratch->path, bad[i], &baseline), -EINVAL);
                assert_int_equal(state_append(scratch->path, bad[i], &lines, &size), -EINVAL);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(test_lock),
                scratch_test(test_lock_outlived),
                scratch_test(test_lock_removed),
                scratch_test(test_lock_refused),
                scratch_test(test_lock_removed_meanwhile),
                scratch_test(test_store_load),
                scratch_test(test_load_others),
                scratch_test(test_append),
                scratch_test(test_torn),
                scratch_test(test_names),
        };

        return cmocka_run_group_tests_name("os/state", tests, NULL, NULL);
}
