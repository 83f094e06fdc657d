/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of the commit, with what they do to the disk written down: fsync(), renameat(),
 * unlinkat() and fallocate() of this program take the place of libc's, note the call and can fail.
 */
#include "os/apply.h"

#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static struct {
        char log[2000];
        bool noting;
        unsigned fsyncs;     /* so far */
        unsigned fail_fsync; /* this one fails, counted from 1 */
        int error;
        int fallocate_error;
        int rename_error;
} calls;

/* The name of what fd stands for: below the test's directory, as the kernel shows it. */
static void name_of(int fd, char name[static 200]) {
        char link[64], path[400];
        const char *below;
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        assert_true(n > 0);
        path[n] = '\0';
        below = strstr(path, "bootsync-test-");
        assert_non_null(below);
        below = strchr(below, '/');
        snprintf(name, 200, "%s", below ? below + 1 : "");
}

/* Whether a file that has no name any more is held open. */
static bool holds_deleted(void) {
        for (int fd = 3; fd < 100; fd++) {
                char link[64], path[400];
                ssize_t n;

                snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
                n = readlink(link, path, sizeof(path) - 1);
                if (n > 10 && memcmp(path + n - 10, " (deleted)", 10) == 0)
                        return true;
        }
        return false;
}

static _printf_(1, 2) void put_down(const char *format, ...) {
        size_t length = strlen(calls.log);
        va_list ap;

        if (!calls.noting)
                return;
        va_start(ap, format);
        vsnprintf(calls.log + length, sizeof(calls.log) - length, format, ap);
        va_end(ap);
}

int fsync(int fd) {
        char name[200];

        if (calls.noting) {
                name_of(fd, name);
                put_down("fsync %s%s\n", name, holds_deleted() ? ", old file held" : "");
        }
        if (++calls.fsyncs == calls.fail_fsync) {
                errno = calls.error;
                return -1;
        }
        return (int) syscall(SYS_fsync, fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
        put_down("rename %s %s\n", from, to);
        if (calls.rename_error > 0) {
                errno = calls.rename_error;
                return -1;
        }
        return (int) syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int unlinkat(int fd, const char *name, int flags) {
        put_down("%s %s\n", flags == AT_REMOVEDIR ? "rmdir" : "unlink", name);
        return (int) syscall(SYS_unlinkat, fd, name, flags);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
        if (calls.fallocate_error > 0) {
                errno = calls.fallocate_error;
                return -1;
        }
        return (int) syscall(SYS_fallocate, fd, mode, offset, length);
}

static int apply_setup(void **state) {
        int r = scratch_setup(state);

        memset(&calls, 0, sizeof(calls));
        if (r == 0) {
                scratch_mkdir(*state, "s");
                scratch_mkdir(*state, "t");
        }
        return r;
}

static int apply_teardown(void **state) {
        memset(&calls, 0, sizeof(calls));
        return scratch_teardown(state);
}

#define apply_test(f) cmocka_unit_test_setup_teardown(f, apply_setup, apply_teardown)

static void make_apply(const struct scratch *scratch, bool verify, const struct apply_hooks *hooks,
                       struct apply *apply) {
        int source = openat(scratch->fd, "s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int target = openat(scratch->fd, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(source >= 0 && target >= 0);
        assert_int_equal(apply_init(apply, source, target, verify, hooks), 0);
}

static void drop_apply(struct apply *apply) {
        close(apply->source);
        close(apply->target);
        apply_done(apply);
}

#define _cleanup_drop_apply_ _cleanup_(drop_apply)

static void start_noting(void) {
        calls.log[0] = '\0';
        calls.noting = true;
}

static int count_entries(const struct scratch *scratch, const char *path) {
        int fd = openat(scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
        DIR *dir = fdopendir(fd);

        while (readdir(dir))
                n++;
        closedir(dir);
        return n - 2;
}

static void test_put_new(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;
        struct stat st;

        make_apply(scratch, true, NULL, &apply);
        scratch_write(scratch, "s/a", "content");
        scratch_set_mtime(scratch, "s/a", 1234567890);
        start_noting();
        assert_int_equal(apply_put(&apply, "a", "b", &result), 0);
        assert_string_equal(calls.log, "fsync s/a\n"
                                       "fsync t/.bootsync-0.tmp\n"
                                       "rename .bootsync-0.tmp b\n"
                                       "fsync t/b\n"
                                       "fsync t\n");
        scratch_assert_content(scratch, "t/b", "content");
        assert_int_equal(count_entries(scratch, "t"), 1);
        assert_int_equal(fstatat(scratch->fd, "t/b", &st, 0), 0);
        assert_int_equal(st.st_mode & 07077, 0); /* vfat has its own idea of the rest */
        assert_int_equal(st.st_mtime, 1234567890);
        assert_true(digest_equal(result.digest, digest_of("content", 7)));
        assert_int_equal(result.bytes, 7);
        assert_int_equal(result.error, 0);
        assert_int_equal(result.source.size, 7);
        assert_int_equal(result.source.mtime, INT64_C(1234567890000000000));
        assert_int_equal(result.target.size, 7);
        assert_int_equal(result.target.mtime, INT64_C(1234567890000000000));
        assert_int_equal(result.target.type, ITEM_FILE);
        assert_true(result.source_settled);
}

/* The old file is held until the directory is on disk. */
static void test_put_over(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, false, NULL, &apply);
        scratch_mkdir(scratch, "t/d");
        scratch_write(scratch, "s/a", "new");
        scratch_write(scratch, "t/d/a", "the old one");
        scratch_write(scratch, "t/d/.bootsync-0.tmp", "left over");
        start_noting();
        assert_int_equal(apply_put(&apply, "a", "d/a", &result), 0);
        assert_string_equal(calls.log, "fsync s/a\n"
                                       "fsync t/d/.bootsync-1.tmp\n"
                                       "rename .bootsync-1.tmp a\n"
                                       "fsync t/d/a, old file held\n"
                                       "fsync t/d, old file held\n");
        assert_false(holds_deleted());
        scratch_assert_content(scratch, "t/d/a", "new");
        assert_int_equal(count_entries(scratch, "t/d"), 2);
}

static int add_bytes(uint64_t bytes, void *userdata) {
        *(uint64_t *) userdata += bytes;
        return 0;
}

static void test_put_sizes(void **state) {
        static const size_t sizes[] = { 0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 19 };
        static char content[5 << 19], read_back[5 << 19];
        const struct scratch *scratch = *state;
        uint64_t bytes = 0;
        struct apply_hooks hooks = { .on_progress = add_bytes, .userdata = &bytes };
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, true, &hooks, &apply);
        for (size_t i = 0; i < sizeof(content); i++)
                content[i] = (char) (i ^ (i >> 11));
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                int fd;

                bytes = 0;
                scratch_write_n(scratch, "s/a", content, sizes[i]);
                assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
                assert_int_equal(result.bytes, sizes[i]);
                assert_int_equal(bytes, 2 * sizes[i]); /* written, and read back */
                assert_int_equal(result.target.size, sizes[i]);
                fd = openat(scratch->fd, "t/a", O_RDONLY | O_CLOEXEC);
                assert_int_equal(read(fd, read_back, sizeof(read_back)), sizes[i]);
                close(fd);
                assert_memory_equal(read_back, content, sizes[i]);
        }
}

static void test_settled(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, false, NULL, &apply);
        scratch_write(scratch, "s/a", "x");
        assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
        assert_false(result.source_settled);
        scratch_set_mtime(scratch, "s/a", time(NULL) + 3600);
        assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
        assert_false(result.source_settled);
        scratch_set_mtime(scratch, "s/a", time(NULL) - 4);
        assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
        assert_true(result.source_settled);
}

/* The outcome is the one that is expected, the target holds what it held, and nothing else. */
static void assert_held_back(const struct scratch *scratch, struct apply *apply, int outcome,
                             int error, const char *where) {
        struct apply_result result;

        assert_int_equal(apply_put(apply, "a", "a", &result), outcome);
        assert_int_equal(result.error, error);
        if (where)
                assert_string_equal(result.where, where);
        scratch_assert_content(scratch, "t/a", "old");
        assert_int_equal(count_entries(scratch, "t"), 1);
}

static void test_source_refused(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        int writer;

        make_apply(scratch, true, NULL, &apply);
        scratch_write(scratch, "t/a", "old");
        assert_held_back(scratch, &apply, APPLY_SOURCE_CHANGED, ENOENT, "open");
        scratch_mkdir(scratch, "s/a");
        assert_held_back(scratch, &apply, APPLY_SOURCE_CHANGED, 0, NULL);
        scratch_unlink(scratch, "s/a", true);
        assert_int_equal(symlinkat("b", scratch->fd, "s/a"), 0);
        assert_held_back(scratch, &apply, APPLY_SOURCE_CHANGED, ELOOP, "open");
        scratch_unlink(scratch, "s/a", false);
        assert_int_equal(mkfifoat(scratch->fd, "s/a", 0600), 0);
        assert_held_back(scratch, &apply, APPLY_SOURCE_CHANGED, 0, NULL);
        scratch_unlink(scratch, "s/a", false);

        scratch_write(scratch, "s/a", "new");
        writer = openat(scratch->fd, "s/a", O_WRONLY | O_CLOEXEC);
        assert_held_back(scratch, &apply, APPLY_SOURCE_BUSY, 0, NULL);
        close(writer);
}

static void test_flush_of_source(void **state) {
        static const struct {
                int error, outcome;
        } cases[] = { { EIO, APPLY_SOURCE_ERROR }, { EINVAL, 0 }, { EROFS, 0 }, { EINTR, 0 } };
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };

        make_apply(scratch, true, NULL, &apply);
        scratch_write(scratch, "s/a", "new");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct apply_result result;

                calls.fsyncs = 0;
                calls.fail_fsync = 1;
                calls.error = cases[i].error;
                assert_int_equal(apply_put(&apply, "a", "a", &result), cases[i].outcome);
        }
}

/* What a callback does in the middle of a put. */
struct trick {
        const struct scratch *scratch;
        void (*act)(const struct scratch *scratch);
        int answer;
};

static int play_at_progress(uint64_t bytes, void *userdata) {
        struct trick *trick = userdata;

        /* no bytes: the flush of the source is under way, and the copy not begun */
        if (bytes == 0)
                return 0;
        if (trick->act)
                trick->act(trick->scratch);
        trick->act = NULL;
        return trick->answer;
}

static int play_at_publish(const char *source_path, void *userdata) {
        assert_string_equal(source_path, "a");
        return play_at_progress(1, userdata);
}

static void touch_source(const struct scratch *scratch) {
        scratch_set_mtime(scratch, "s/a", 1000000000);
}

static void grow_source(const struct scratch *scratch) {
        int fd = openat(scratch->fd, "s/a", O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
}

static void cut_source(const struct scratch *scratch) {
        char path[300];

        snprintf(path, sizeof(path), "%s/s/a", scratch->path);
        assert_int_equal(truncate(path, 1 << 20), 0);
}

static void remove_source(const struct scratch *scratch) {
        scratch_unlink(scratch, "s/a", false);
}

/* Same size, same time stamp: only the inode tells. */
static void swap_source(const struct scratch *scratch) {
        struct timespec times[2];
        struct stat st;

        assert_int_equal(fstatat(scratch->fd, "s/a", &st, 0), 0);
        times[0] = times[1] = st.st_mtim;
        assert_int_equal(utimensat(scratch->fd, "s/b", times, 0), 0);
        scratch_rename(scratch, "s/b", "s/a");
}

static int left_open = -1;

static void open_source(const struct scratch *scratch) {
        left_open = openat(scratch->fd, "s/a", O_WRONLY | O_CLOEXEC);
}

static void spoil_temp(const struct scratch *scratch) {
        int fd = openat(scratch->fd, "t/.bootsync-0.tmp", O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "!", 1, 5), 1);
        close(fd);
}

static void lengthen_temp(const struct scratch *scratch) {
        int fd = openat(scratch->fd, "t/.bootsync-0.tmp", O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "!", 1, 3 << 20), 1);
        close(fd);
}

static void test_changes_on_the_way(void **state) {
        static const struct {
                void (*act)(const struct scratch *scratch);
                int outcome;
        } cases[] = {
                { touch_source, APPLY_SOURCE_CHANGED }, { grow_source, APPLY_SOURCE_CHANGED },
                { cut_source, APPLY_SOURCE_CHANGED },   { remove_source, APPLY_SOURCE_CHANGED },
                { swap_source, APPLY_SOURCE_CHANGED },  { open_source, APPLY_SOURCE_BUSY },
                { spoil_temp, APPLY_CORRUPT },          { lengthen_temp, APPLY_CORRUPT },
        };
        static const char content[3 << 20];
        const struct scratch *scratch = *state;
        struct trick trick = { .scratch = scratch };
        struct apply_hooks hooks = { .on_progress = play_at_progress, .userdata = &trick };
        _cleanup_drop_apply_ struct apply apply = { 0 };

        make_apply(scratch, true, &hooks, &apply);
        scratch_write(scratch, "t/a", "old");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct apply_result result;

                scratch_write_n(scratch, "s/a", content, sizeof(content));
                scratch_write_n(scratch, "s/b", content, sizeof(content));
                trick.act = cases[i].act;
                if (apply_put(&apply, "a", "a", &result) != cases[i].outcome)
                        fail_msg("case %zu", i);
                scratch_assert_content(scratch, "t/a", "old");
                assert_int_equal(count_entries(scratch, "t"), 1);
                if (left_open >= 0)
                        close(left_open);
                left_open = -1;
        }
}

static void test_callbacks(void **state) {
        const struct scratch *scratch = *state;
        struct trick trick = { .scratch = scratch };
        struct apply_hooks hooks = { .may_publish = play_at_publish, .userdata = &trick };
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, true, &hooks, &apply);
        scratch_write(scratch, "s/a", "new");
        scratch_write(scratch, "t/a", "old");
        trick.answer = 1;
        assert_held_back(scratch, &apply, APPLY_SOURCE_CHANGED, 0, NULL);
        trick.answer = -1;
        assert_held_back(scratch, &apply, APPLY_STOPPED, 0, NULL);
        apply.hooks.on_progress = play_at_progress;
        assert_held_back(scratch, &apply, APPLY_STOPPED, 0, NULL);
        trick.answer = 0;
        assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
        scratch_assert_content(scratch, "t/a", "new");
}

static void test_target_fails(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, true, NULL, &apply);
        scratch_write(scratch, "s/a", "new");
        scratch_write(scratch, "t/a", "old");
        calls.fallocate_error = ENOSPC;
        assert_held_back(scratch, &apply, APPLY_FULL, ENOSPC, "fallocate");
        calls.fallocate_error = EIO;
        assert_held_back(scratch, &apply, APPLY_TARGET_ERROR, EIO, "fallocate");
        calls.fallocate_error = 0;
        calls.rename_error = ENOSPC;
        assert_held_back(scratch, &apply, APPLY_FULL, ENOSPC, "rename");
        calls.rename_error = 0;

        /* a flush that failed is not tried again: one fsync() of the source, one of the file */
        calls.fsyncs = 0;
        calls.fail_fsync = 2;
        calls.error = EIO;
        assert_held_back(scratch, &apply, APPLY_TARGET_ERROR, EIO, "fsync");
        assert_int_equal(calls.fsyncs, 2);
        calls.fsyncs = 0;
        calls.error = ENOSPC;
        assert_held_back(scratch, &apply, APPLY_FULL, ENOSPC, "fsync");

        /* behind the rename there is no way back */
        for (unsigned i = 3; i <= 4; i++) {
                calls.fsyncs = 0;
                calls.fail_fsync = i;
                calls.error = EIO;
                assert_int_equal(apply_put(&apply, "a", "a", &result), APPLY_TARGET_ERROR);
                assert_string_equal(result.where, "fsync");
                assert_int_equal(calls.fsyncs, i);
                assert_int_equal(count_entries(scratch, "t"), 1);
        }
        calls.fail_fsync = 0;
        assert_int_equal(apply_put(&apply, "a", "none/a", &result), APPLY_TARGET_ERROR);
        assert_int_equal(result.error, ENOENT);
        calls.fallocate_error = EOPNOTSUPP;
        assert_int_equal(apply_put(&apply, "a", "b", &result), 0);
}

static void test_write_fails(void **state) {
        static const char content[3 << 20];
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct rlimit rlimit;

        make_apply(scratch, true, NULL, &apply);
        scratch_write_n(scratch, "s/a", content, sizeof(content));
        scratch_write(scratch, "t/a", "old");
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &rlimit), 0);
        rlimit.rlim_cur = 2 << 20;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &rlimit), 0);
        calls.fallocate_error = EOPNOTSUPP;
        assert_held_back(scratch, &apply, APPLY_TARGET_ERROR, EFBIG, "write");
        rlimit.rlim_cur = rlimit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &rlimit), 0);
}

static void test_unlink(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, true, NULL, &apply);
        scratch_mkdir(scratch, "t/d");
        scratch_write(scratch, "t/d/a", "x");
        start_noting();
        assert_int_equal(apply_unlink(&apply, "d/a", &result), 0);
        assert_string_equal(calls.log, "unlink a\nfsync t/d, old file held\n");
        assert_false(holds_deleted());
        assert_false(scratch_exists(scratch, "t/d/a"));
        assert_int_equal(apply_unlink(&apply, "d/a", &result), 0);
        assert_int_equal(apply_unlink(&apply, "none/a", &result), 0);
        assert_int_equal(apply_unlink(&apply, "d", &result), APPLY_TARGET_ERROR);
        assert_int_equal(result.error, EISDIR);
        assert_int_equal(symlinkat("d", scratch->fd, "t/link"), 0);
        assert_int_equal(apply_unlink(&apply, "link/a", &result), APPLY_TARGET_ERROR);
        assert_int_equal(apply_unlink(&apply, "link", &result), 0);
        assert_true(scratch_exists(scratch, "t/d"));
        scratch_write(scratch, "t/b", "x");
        calls.fsyncs = 0;
        calls.fail_fsync = 1;
        calls.error = EIO;
        assert_int_equal(apply_unlink(&apply, "b", &result), APPLY_TARGET_ERROR);
        assert_string_equal(result.where, "fsync");
}

static void test_directories(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;

        make_apply(scratch, true, NULL, &apply);
        start_noting();
        assert_int_equal(apply_mkdir(&apply, "d", &result), 0);
        assert_string_equal(calls.log, "fsync t/d\nfsync t\n");
        assert_int_equal(apply_mkdir(&apply, "d", &result), 0);
        assert_int_equal(apply_mkdir(&apply, "d/e", &result), 0);
        assert_int_equal(apply_mkdir(&apply, "none/e", &result), APPLY_TARGET_ERROR);
        scratch_write(scratch, "t/f", "");
        assert_int_equal(apply_mkdir(&apply, "f", &result), APPLY_TARGET_ERROR);
        assert_int_equal(result.error, ENOTDIR);

        assert_int_equal(apply_rmdir(&apply, "d", &result), 0);
        assert_true(scratch_exists(scratch, "t/d/e"));
        start_noting();
        assert_int_equal(apply_rmdir(&apply, "d/e", &result), 0);
        assert_string_equal(calls.log, "rmdir e\nfsync t/d, old file held\n");
        assert_int_equal(apply_rmdir(&apply, "d/e", &result), 0);
        assert_int_equal(apply_rmdir(&apply, "d", &result), 0);
        assert_false(scratch_exists(scratch, "t/d"));
        assert_int_equal(apply_rmdir(&apply, "f", &result), APPLY_TARGET_ERROR);
        assert_true(scratch_exists(scratch, "t/f"));
}

/* Nothing of a step stays open. */
static void test_descriptors(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_drop_apply_ struct apply apply = { 0 };
        struct apply_result result;
        int before, after;

        make_apply(scratch, true, NULL, &apply);
        scratch_write(scratch, "s/a", "new");
        before = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(before);
        assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
        assert_int_equal(apply_put(&apply, "a", "a", &result), 0);
        assert_int_equal(apply_put(&apply, "b", "a", &result), APPLY_SOURCE_CHANGED);
        assert_int_equal(apply_mkdir(&apply, "d", &result), 0);
        assert_int_equal(apply_rmdir(&apply, "d", &result), 0);
        assert_int_equal(apply_unlink(&apply, "a", &result), 0);
        after = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(after);
        assert_int_equal(before, after);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                apply_test(test_put_new),        apply_test(test_put_over),
                apply_test(test_put_sizes),      apply_test(test_settled),
                apply_test(test_source_refused), apply_test(test_flush_of_source),
                apply_test(test_target_fails),   apply_test(test_changes_on_the_way),
                apply_test(test_callbacks),      apply_test(test_write_fails),
                apply_test(test_unlink),         apply_test(test_directories),
                apply_test(test_descriptors),
        };

        return cmocka_run_group_tests_name("os/apply", tests, NULL, NULL);
}
