/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real inotify on real directories. inotify_add_watch() of this program takes the place of libc's,
 * so that it can run out of watches.
 */
#include "os/watch.h"

#include "base/buf.h"
#include "os/tree.h"
#include "scratch.h"

#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#define MID "0123456789abcdef0123456789abcdef"

static unsigned watches_left = UINT32_MAX;

int inotify_add_watch(int fd, const char *name, uint32_t mask) {
        if (watches_left == 0) {
                errno = ENOSPC;
                return -1;
        }
        watches_left--;
        return (int) syscall(SYS_inotify_add_watch, fd, name, mask);
}

struct fixture {
        struct scratch *scratch;
        struct scope scope;
        struct watch *watch;
        char tree[300];
        struct buf news; /* a word and the path, one a line */
        unsigned opened; /* calls of open_root() */
        int open_error;
        int answer;
};

static int take_news(enum watch_news news, const char *path, int error, void *userdata) {
        static const char *const words[] = {
                [WATCH_DIRTY] = "dirty",         [WATCH_WRITING] = "writing",
                [WATCH_REMOVED] = "removed",     [WATCH_OVERFLOW] = "overflow",
                [WATCH_UNMOUNTED] = "unmounted", [WATCH_LIMIT] = "limit",
                [WATCH_ERROR] = "error",
        };
        struct fixture *fixture = userdata;

        (void) error;
        assert_int_equal(buf_appendf(&fixture->news, "%s %s\n", words[news], path), 0);
        return fixture->answer;
}

static int open_root(void *userdata) {
        struct fixture *fixture = userdata;
        int fd = -1;
        dev_t devno;
        int r;

        fixture->opened++;
        if (fixture->open_error > 0)
                return -fixture->open_error;
        r = tree_open(fixture->tree, &fd, &devno);
        return r < 0 ? r : fd;
}

static int watch_setup(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        _cleanup_strlist_ struct strlist tokens = STRLIST_INIT, extra = STRLIST_INIT;
        struct scratch *scratch;

        if (scratch_setup((void **) &fixture->scratch) < 0)
                return -1;
        watches_left = UINT32_MAX;
        scratch = fixture->scratch;
        if (strlist_add(&extra, "loader/addons") < 0 ||
            scope_init(&fixture->scope, MID, &tokens, &extra) < 0 || watch_new(&fixture->watch) < 0)
                return -1;
        snprintf(fixture->tree, sizeof(fixture->tree), "%s/esp", scratch->path);
        scratch_mkdir(scratch, "esp");
        scratch_mkdir(scratch, "esp/" MID);
        scratch_mkdir(scratch, "esp/" MID "/6.1");
        scratch_mkdir(scratch, "esp/loader");
        scratch_mkdir(scratch, "esp/loader/entries");
        scratch_mkdir(scratch, "esp/EFI");
        scratch_mkdir(scratch, "esp/EFI/BOOT");
        *state = fixture;
        return 0;
}

static int watch_teardown(void **state) {
        struct fixture *fixture = *state;

        watch_free(fixture->watch);
        scope_done(&fixture->scope);
        buf_done(&fixture->news);
        scratch_teardown((void **) &fixture->scratch);
        free(fixture);
        return 0;
}

#define watch_test(f) cmocka_unit_test_setup_teardown(f, watch_setup, watch_teardown)

static void start(struct fixture *fixture) {
        int root = open_root(fixture);

        assert_true(root >= 0);
        assert_int_equal(watch_start(fixture->watch, root, &fixture->scope, take_news, fixture), 0);
        close(root);
        fixture->opened = 0;
}

/* The news since the last look. */
static void expect(struct fixture *fixture, const char *news) {
        assert_int_equal(watch_drain(fixture->watch, open_root), 0);
        assert_string_equal(buf_string(&fixture->news), news);
        buf_done(&fixture->news);
}

static void test_start(void **state) {
        struct fixture *fixture = *state;

        start(fixture);
        /* "", MID, MID/6.1, loader, loader/entries, EFI; not EFI/BOOT */
        assert_int_equal(watch_count(fixture->watch), 6);
        expect(fixture, "");
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 6);
        expect(fixture, "");
}

static void test_files(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        start(fixture);
        scratch_write(scratch, "esp/" MID "/6.1/linux", "kernel");
        expect(fixture, "dirty " MID "/6.1/linux\n"
                        "writing " MID "/6.1/linux\n"
                        "dirty " MID "/6.1/linux\n");
        scratch_rename(scratch, "esp/" MID "/6.1/linux", "esp/" MID "/6.1/vmlinuz");
        expect(fixture, "removed " MID "/6.1/linux\ndirty " MID "/6.1/vmlinuz\n");
        scratch_rename(scratch, "esp/" MID "/6.1/vmlinuz", "esp/vmlinuz");
        expect(fixture, "removed " MID "/6.1/vmlinuz\n");
        scratch_rename(scratch, "esp/vmlinuz", "esp/loader/entries/" MID "-6.1+3.conf");
        expect(fixture, "dirty loader/entries/" MID "-6.1+3.conf\n");
        scratch_unlink(scratch, "esp/loader/entries/" MID "-6.1+3.conf", false);
        expect(fixture, "removed loader/entries/" MID "-6.1+3.conf\n");
        assert_int_equal(fixture->opened, 0);
}

static void test_foreign(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        start(fixture);
        scratch_write(scratch, "esp/loader/random-seed", "seed");
        scratch_write(scratch, "esp/loader/entries/other.conf", "x");
        scratch_write(scratch, "esp/EFI/BOOT/BOOTX64.EFI", "x");
        scratch_write(scratch, "esp/" MID "/6.1/.bootsync-3.tmp", "x");
        scratch_unlink(scratch, "esp/" MID "/6.1/.bootsync-3.tmp", false);
        scratch_mkdir(scratch, "esp/EFI/fedora");
        scratch_mkdir(scratch, "esp/loader/keys");
        scratch_unlink(scratch, "esp/loader/keys", true);
        assert_int_equal(symlinkat("x", scratch->fd, "esp/foreign"), 0);
        expect(fixture, "");
        assert_int_equal(fixture->opened, 0);
        assert_int_equal(watch_count(fixture->watch), 6);
}

/* Writes without an end are one piece of news each time that somebody looks. */
static void test_writing(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;
        int a, b;

        scratch_write(scratch, "esp/" MID "/a", "");
        scratch_write(scratch, "esp/" MID "/b", "");
        start(fixture);
        a = openat(scratch->fd, "esp/" MID "/a", O_WRONLY | O_CLOEXEC);
        b = openat(scratch->fd, "esp/" MID "/b", O_WRONLY | O_CLOEXEC);
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(write(a, "x", 1), 1);
        expect(fixture, "writing " MID "/a\n");
        assert_int_equal(write(a, "x", 1), 1);
        expect(fixture, "writing " MID "/a\n");
        assert_int_equal(write(a, "x", 1), 1);
        assert_int_equal(write(b, "x", 1), 1);
        assert_int_equal(write(a, "x", 1), 1);
        expect(fixture, "writing " MID "/a\nwriting " MID "/b\nwriting " MID "/a\n");
        close(a);
        close(b);
        expect(fixture, "dirty " MID "/a\ndirty " MID "/b\n");
}

/* All that is in it when the event is read is watched, and later what comes there. */
static void test_new_directories(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        start(fixture);
        scratch_mkdir(scratch, "esp/EFI/Linux");
        scratch_mkdir(scratch, "esp/loader/addons");
        scratch_mkdir(scratch, "esp/loader/addons/a");
        scratch_mkdir(scratch, "esp/loader/addons/a/b");
        scratch_write(scratch, "esp/loader/addons/a/b/c", "");
        expect(fixture, "dirty EFI/Linux\ndirty loader/addons\n");
        assert_int_equal(fixture->opened, 1);
        assert_int_equal(watch_count(fixture->watch), 10);
        scratch_unlink(scratch, "esp/loader/addons/a/b/c", false);
        scratch_write(scratch, "esp/EFI/Linux/" MID "-6.1.efi", "");
        expect(fixture, "removed loader/addons/a/b/c\n"
                        "dirty EFI/Linux/" MID "-6.1.efi\n"
                        "dirty EFI/Linux/" MID "-6.1.efi\n");
}

static void test_directory_made_again(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        start(fixture);
        for (unsigned i = 0; i < 3; i++) {
                scratch_unlink(scratch, "esp/" MID "/6.1", true);
                expect(fixture, "removed " MID "/6.1\n");
                assert_int_equal(watch_count(fixture->watch), 5);
                scratch_mkdir(scratch, "esp/" MID "/6.1");
                expect(fixture, "dirty " MID "/6.1\n");
                assert_int_equal(watch_count(fixture->watch), 6);
                scratch_write(scratch, "esp/" MID "/6.1/a", "");
                expect(fixture, "dirty " MID "/6.1/a\ndirty " MID "/6.1/a\n");
                scratch_unlink(scratch, "esp/" MID "/6.1/a", false);
                expect(fixture, "removed " MID "/6.1/a\n");
        }
        /* in one go */
        scratch_unlink(scratch, "esp/" MID "/6.1", true);
        scratch_mkdir(scratch, "esp/" MID "/6.1");
        expect(fixture, "removed " MID "/6.1\ndirty " MID "/6.1\n");
        scratch_write(scratch, "esp/" MID "/6.1/a", "");
        expect(fixture, "dirty " MID "/6.1/a\ndirty " MID "/6.1/a\n");
}

static void test_directory_moved(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        scratch_mkdir(scratch, "esp/" MID "/6.1/d");
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 7);
        scratch_rename(scratch, "esp/" MID "/6.1", "esp/" MID "/6.2");
        scratch_write(scratch, "esp/" MID "/6.2/d/a", "");
        expect(fixture, "removed " MID "/6.1\ndirty " MID "/6.2\n");
        assert_int_equal(watch_count(fixture->watch), 7);
        scratch_unlink(scratch, "esp/" MID "/6.2/d/a", false);
        expect(fixture, "removed " MID "/6.2/d/a\n");

        /* out of the scope: silence from there, and nothing said of what is still in it */
        scratch_rename(scratch, "esp/" MID "/6.2", "esp/away");
        expect(fixture, "removed " MID "/6.2\n");
        scratch_write(scratch, "esp/away/d/a", "");
        scratch_unlink(scratch, "esp/away/d/a", false);
        expect(fixture, "");
        assert_int_equal(watch_count(fixture->watch), 5);
        scratch_rename(scratch, "esp/away", "esp/" MID "/6.3");
        expect(fixture, "dirty " MID "/6.3\n");
        assert_int_equal(watch_count(fixture->watch), 7);
}

/* A new start finds what moved while nobody looked, and lets go of what is not there any more. */
static void test_restart(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        start(fixture);
        scratch_rename(scratch, "esp/" MID "/6.1", "esp/" MID "/6.2");
        scratch_rename(scratch, "esp/EFI", "esp/gone");
        scratch_mkdir(scratch, "esp/" MID "/6.3");
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 6);
        assert_int_equal(watch_drain(fixture->watch, open_root), 0);
        buf_done(&fixture->news);
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 6);
        scratch_mkdir(scratch, "esp/gone/Linux");
        scratch_write(scratch, "esp/" MID "/6.2/a", "");
        scratch_write(scratch, "esp/" MID "/6.3/b", "");
        expect(fixture, "dirty " MID "/6.2/a\ndirty " MID "/6.2/a\n"
                        "dirty " MID "/6.3/b\ndirty " MID "/6.3/b\n");
}

static void test_overflow(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;
        unsigned limit = 16384;
        FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

        if (file) {
                assert_int_equal(fscanf(file, "%u", &limit), 1);
                fclose(file);
        }
        if (limit > 100000)
                skip();
        start(fixture);
        for (unsigned i = 0; i < limit; i++) {
                scratch_write(scratch, i % 2 ? "esp/" MID "/a" : "esp/" MID "/b", "");
        }
        assert_int_equal(watch_drain(fixture->watch, open_root), 0);
        assert_non_null(strstr(buf_string(&fixture->news), "\noverflow \n"));
        buf_done(&fixture->news);
        start(fixture);
        scratch_unlink(scratch, "esp/" MID "/a", false);
        expect(fixture, "removed " MID "/a\n");
}

/* Told once; the directories that have their watch keep it; another start tries again. */
static void test_limit(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        watches_left = 3;
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 3);
        assert_int_equal(strncmp(buf_string(&fixture->news), "limit ", 6), 0);
        assert_null(strstr(buf_string(&fixture->news) + 6, "limit"));
        buf_done(&fixture->news);
        scratch_mkdir(scratch, "esp/loader/addons");
        assert_int_equal(watch_drain(fixture->watch, open_root), 0);
        assert_null(strstr(buf_string(&fixture->news), "limit"));
        buf_done(&fixture->news);

        watches_left = 4;
        start(fixture);
        assert_int_equal(strncmp(buf_string(&fixture->news), "limit ", 6), 0);
        buf_done(&fixture->news);
        watches_left = 100;
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 7);
        expect(fixture, "");
}

static void test_root_gone(void **state) {
        struct fixture *fixture = *state;

        start(fixture);
        scratch_rename(fixture->scratch, "esp", "away");
        expect(fixture, "unmounted \n");
        scratch_rename(fixture->scratch, "away", "esp");
        expect(fixture, "");
        start(fixture);
        scratch_rename(fixture->scratch, "esp", "away");
        expect(fixture, "unmounted \n");
        scratch_rename(fixture->scratch, "away", "esp");
}

/* Nothing but that: no removal is made up from it. */
static void test_unmount(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        snprintf(fixture->tree, sizeof(fixture->tree), "%s/mounted", scratch->path);
        scratch_mkdir(scratch, "mounted");
        assert_int_equal(mount("none", fixture->tree, "tmpfs", 0, NULL), 0);
        {
                char path[400];

                snprintf(path, sizeof(path), "%s/" MID, fixture->tree);
                assert_int_equal(mkdir(path, 0755), 0);
        }
        start(fixture);
        assert_int_equal(watch_count(fixture->watch), 2);
        /* not lazily: nothing is open there */
        assert_int_equal(umount2(fixture->tree, 0), 0);
        expect(fixture, "unmounted \n");
        assert_int_equal(watch_count(fixture->watch), 0);
}

static void test_errors(void **state) {
        struct fixture *fixture = *state;
        const struct scratch *scratch = fixture->scratch;
        struct watch *never = NULL;

        assert_int_equal(watch_new(&never), 0);
        assert_int_equal(watch_drain(never, open_root), 0); /* not started */
        watch_free(never);

        start(fixture);
        fixture->open_error = EIO;
        scratch_mkdir(scratch, "esp/loader/addons");
        expect(fixture, "error loader/addons\ndirty loader/addons\n");
        fixture->open_error = 0;

        scratch_write(scratch, "esp/" MID "/a", "");
        fixture->answer = -ECANCELED;
        assert_int_equal(watch_drain(fixture->watch, open_root), -ECANCELED);
        fixture->answer = 0;
        buf_done(&fixture->news);
        assert_int_equal(watch_start(fixture->watch, -1, &fixture->scope, take_news, fixture), 0);
        assert_string_equal(buf_string(&fixture->news), "error \n");
        assert_int_equal(watch_count(fixture->watch), 0);
}

struct decoded {
        struct buf text;
        int answer;
};

static int take_event(const struct watch_event *event, void *userdata) {
        struct decoded *decoded = userdata;

        assert_int_equal(
                buf_appendf(&decoded->text, "%d %x '%s'\n", event->wd, event->mask, event->name),
                0);
        return decoded->answer;
}

static void append_event(struct buf *buf, int wd, uint32_t mask, const char *name, uint32_t len) {
        struct inotify_event event = { .wd = wd, .mask = mask, .len = len };
        char padded[64] = "";

        memcpy(padded, name, strlen(name));
        assert_int_equal(buf_append(buf, &event, sizeof(event)), 0);
        assert_int_equal(buf_append(buf, padded, len), 0);
}

static void test_decode(void **state) {
        _cleanup_buf_ struct buf good = BUF_INIT, unterminated = BUF_INIT;
        struct decoded decoded = { 0 };
        static const char text[] = "1 100 'a'\n-1 4000 ''\n2 2 'bcd'\n";

        (void) state;
        append_event(&good, 1, IN_CREATE, "a", 16);
        append_event(&good, -1, IN_Q_OVERFLOW, "", 0);
        append_event(&good, 2, IN_MODIFY, "bcd", 4);
        assert_int_equal(watch_decode(good.data, good.size, take_event, &decoded), 0);
        assert_string_equal(buf_string(&decoded.text), text);
        buf_done(&decoded.text);
        assert_int_equal(watch_decode(NULL, 0, take_event, &decoded), 0);

        /* cut anywhere but between two events; each byte beyond the end is out of bounds */
        for (size_t size = 1; size < good.size; size++) {
                _cleanup_free_ char *copy = malloc(size);
                bool whole = size == 32 || size == 48;

                memcpy(copy, good.data, size);
                assert_int_equal(watch_decode(copy, size, take_event, &decoded),
                                 whole ? 0 : -EBADMSG);
                assert_memory_equal(buf_string(&decoded.text), text, decoded.text.size);
                buf_done(&decoded.text);
        }
        append_event(&unterminated, 1, IN_CREATE, "abcd", 4);
        assert_int_equal(watch_decode(unterminated.data, unterminated.size, take_event, &decoded),
                         -EBADMSG);
        decoded.answer = 5;
        assert_int_equal(watch_decode(good.data, good.size, take_event, &decoded), 5);
        assert_string_equal(buf_string(&decoded.text), "1 100 'a'\n");
        buf_done(&decoded.text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                watch_test(test_start),
                watch_test(test_files),
                watch_test(test_foreign),
                watch_test(test_writing),
                watch_test(test_new_directories),
                watch_test(test_directory_made_again),
                watch_test(test_directory_moved),
                watch_test(test_restart),
                watch_test(test_overflow),
                watch_test(test_limit),
                watch_test(test_root_gone),
                watch_test(test_errors),
                cmocka_unit_test(test_decode),
                watch_test(test_unmount), /* last: in a mount namespace of its own */
        };

        return cmocka_run_group_tests_name("os/watch", tests, NULL, NULL);
}
