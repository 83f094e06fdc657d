/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/tree.h"

#include "base/relpath.h"
#include "scratch.h"

#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <time.h>

#define MID "0123456789abcdef0123456789abcdef"
#define ENTRY "loader/entries/" MID "-6.1"

struct problem {
        enum tree_problem problem;
        int error;
        char path[200];
};

struct problems {
        struct problem items[16];
        size_t n;
        int answer;
};

static int note(enum tree_problem problem, const char *path, int error, void *userdata) {
        struct problems *problems = userdata;

        if (problems->n < ELEMENTSOF(problems->items)) {
                struct problem *item = &problems->items[problems->n++];

                item->problem = problem;
                item->error = error;
                snprintf(item->path, sizeof(item->path), "%s", path);
        }
        return problems->answer;
}

static void make_scope(struct scope *scope) {
        _cleanup_strlist_ struct strlist tokens = STRLIST_INIT, extra = STRLIST_INIT;

        assert_int_equal(strlist_add(&tokens, "fedora"), 0);
        assert_int_equal(strlist_add(&extra, "loader/loader.conf"), 0);
        assert_int_equal(scope_init(scope, MID, &tokens, &extra), 0);
}

/* A tree with all that matters, and neighbours that do not. */
static void make_tree(const struct scratch *scratch) {
        scratch_mkdir(scratch, MID);
        scratch_mkdir(scratch, MID "/6.1");
        scratch_write(scratch, MID "/6.1/linux", "kernel");
        scratch_write(scratch, MID "/6.1/initrd", "initrd");
        scratch_mkdir(scratch, MID "/6.1-old");
        scratch_mkdir(scratch, "loader");
        scratch_write(scratch, "loader/random-seed", "seed");
        scratch_write(scratch, "loader/loader.conf", "timeout 3\n");
        scratch_mkdir(scratch, "loader/entries");
        scratch_write(scratch, ENTRY ".conf", "linux /" MID "/6.1/linux\n");
        scratch_write(scratch, ENTRY "+3-1.conf", "title none\n");
        scratch_write(scratch, ENTRY "-x.conf", "");
        scratch_write(scratch, "loader/entries/other-6.1.conf", "linux /x\n");
        scratch_write(scratch, "loader/entries/.bootsync-7.tmp", "left");
        scratch_mkdir(scratch, "EFI");
        scratch_mkdir(scratch, "EFI/BOOT");
        scratch_write(scratch, "EFI/BOOT/BOOTX64.EFI", "MZ");
        scratch_mkdir(scratch, "EFI/Linux");
        scratch_write(scratch, "EFI/Linux/fedora-6.1.efi", "MZ");
        scratch_mkdir(scratch, "System Volume Information");
        scratch_mkdir(scratch, "fedora");
}

static const char *const expected_keys[] = {
        MID,
        MID "/6.1",
        MID "/6.1/initrd",
        MID "/6.1/linux",
        MID "/6.1-old",
        "EFI",
        "EFI/Linux",
        "EFI/Linux/fedora-6.1.efi",
        "fedora",
        "loader",
        "loader/entries",
        "loader/entries/.bootsync-7.tmp",
        ENTRY "-x.conf",
        ENTRY ".conf", /* with a counter */
        ENTRY ".conf",
        "loader/loader.conf",
};

static void assert_same(const struct manifest *a, const struct manifest *b) {
        assert_int_equal(a->n, b->n);
        for (size_t i = 0; i < a->n; i++) {
                assert_string_equal(a->items[i].path, b->items[i].path);
                assert_string_equal(a->items[i].key, b->items[i].key);
                assert_int_equal(a->items[i].type, b->items[i].type);
                assert_int_equal(a->items[i].class, b->items[i].class);
                assert_int_equal(a->items[i].size, b->items[i].size);
                assert_int_equal(a->items[i].mtime, b->items[i].mtime);
                assert_int_equal(a->items[i].startable, b->items[i].startable);
                assert_int_equal(a->items[i].refs.n, b->items[i].refs.n);
        }
}

/* What tree_scan() made of one path is what a fresh look at everything makes. */
static void assert_complete(const struct scratch *scratch, const struct scope *scope,
                            const struct manifest *manifest) {
        _cleanup_manifest_ struct manifest fresh = MANIFEST_INIT;

        assert_int_equal(tree_scan(scratch->fd, scope, "", &fresh, NULL, NULL), 0);
        assert_same(manifest, &fresh);
}

static void test_open(void **state) {
        const struct scratch *scratch = *state;
        char link[300];
        struct stat st;
        dev_t devno;
        int fd = -1;

        snprintf(link, sizeof(link), "%s/link", scratch->path);
        assert_int_equal(symlinkat(".", scratch->fd, "link"), 0);
        assert_int_equal(tree_open(link, &fd, &devno), -ENOTDIR);
        assert_int_equal(tree_open("/nonexistent", &fd, &devno), -ENOENT);
        assert_int_equal(fd, -1);
        assert_int_equal(tree_open(scratch->path, &fd, &devno), 0);
        assert_int_equal(fstat(scratch->fd, &st), 0);
        assert_true(st.st_dev == devno);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
}

static void test_openat_confined(void **state) {
        const struct scratch *scratch = *state;
        int fd;

        scratch_mkdir(scratch, "d");
        scratch_write(scratch, "d/f", "x");
        assert_int_equal(symlinkat("d", scratch->fd, "dirlink"), 0);
        assert_int_equal(symlinkat("d/f", scratch->fd, "filelink"), 0);
        assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
        assert_int_equal(tree_openat(scratch->fd, "dirlink/f", O_RDONLY, 0), -ELOOP);
        assert_int_equal(tree_openat(scratch->fd, "filelink", O_RDONLY, 0), -ELOOP);
        assert_int_equal(tree_openat(scratch->fd, "..", O_RDONLY, 0), -EXDEV);
        assert_int_equal(tree_openat(scratch->fd, "d/../../x", O_RDONLY, 0), -EXDEV);
        assert_int_equal(tree_openat(scratch->fd, "/etc/passwd", O_RDONLY, 0), -EXDEV);
        assert_int_equal(tree_openat(scratch->fd, "none", O_RDONLY, 0), -ENOENT);

        fd = tree_openat(scratch->fd, "fifo", O_RDONLY, 0); /* does not hang */
        assert_true(fd >= 0);
        close(fd);
        fd = tree_openat(scratch->fd, "", O_RDONLY | O_DIRECTORY, 0);
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
        fd = tree_openat(scratch->fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        close(fd);
        fd = tree_openat(scratch->fd, "d/f", O_PATH, 0);
        assert_true(fd >= 0);
        close(fd);
}

static void test_scan(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };
        const struct item *item;

        make_scope(&scope);
        make_tree(scratch);
        scratch_set_mtime(scratch, MID "/6.1/linux", 1234567890);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(problems.n, 0);
        for (size_t i = 0; i < manifest.n && i < ELEMENTSOF(expected_keys); i++)
                assert_string_equal(manifest.items[i].key, expected_keys[i]);
        assert_int_equal(manifest.n, ELEMENTSOF(expected_keys));

        item = manifest_find(&manifest, MID "/6.1/linux");
        assert_int_equal(item->type, ITEM_FILE);
        assert_int_equal(item->class, SCOPE_PAYLOAD);
        assert_int_equal(item->size, 6);
        assert_int_equal(item->mtime, INT64_C(1234567890000000000));
        item = manifest_find(&manifest, ENTRY ".conf");
        assert_true(item->startable);
        assert_int_equal(item->refs.n, 1);
        assert_string_equal(item->refs.items[0], MID "/6.1/linux");
        item = manifest_find(&manifest, ENTRY "+3-1.conf");
        assert_false(item->startable);
        assert_true(item->counter.present);
        assert_string_equal(item->key, ENTRY ".conf");
        assert_int_equal(manifest_find(&manifest, "loader")->class, SCOPE_WAY);
        assert_int_equal(manifest_find(&manifest, "loader/entries/.bootsync-7.tmp")->class,
                         SCOPE_LEFTOVER);
        assert_true(manifest_find(&manifest, "EFI/Linux/fedora-6.1.efi")->startable);
}

/* Each change, then a look at the one path that an event would name. */
static void test_scan_parts(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };

#define SCAN(path)                                                                                 \
        do {                                                                                       \
                assert_int_equal(tree_scan(scratch->fd, &scope, path, &manifest, note, &problems), \
                                 0);                                                               \
                assert_complete(scratch, &scope, &manifest);                                       \
        } while (0)

        make_scope(&scope);
        make_tree(scratch);
        SCAN("");
        scratch_write(scratch, MID "/6.1/linux", "another kernel");
        SCAN(MID "/6.1/linux");
        scratch_unlink(scratch, MID "/6.1/linux", false);
        SCAN(MID "/6.1/linux");
        SCAN(MID "/6.1/linux");
        scratch_rename(scratch, MID "/6.1", MID "/7");
        assert_int_equal(
                tree_scan(scratch->fd, &scope, MID "/6.1/initrd", &manifest, note, &problems), 0);
        assert_null(manifest_find(&manifest, MID "/6.1/initrd"));
        assert_int_equal(tree_scan(scratch->fd, &scope, MID "/7", &manifest, note, &problems), 0);
        SCAN(MID "/6.1");
        SCAN("loader/random-seed");
        SCAN("nowhere/at/all");

        scratch_rename(scratch, ENTRY "+3-1.conf", ENTRY "+2-2.conf");
        assert_int_equal(
                tree_scan(scratch->fd, &scope, ENTRY "+3-1.conf", &manifest, note, &problems), 0);
        SCAN(ENTRY "+2-2.conf");
        scratch_unlink(scratch, ENTRY ".conf", false);
        SCAN(ENTRY ".conf");
        scratch_unlink(scratch, ENTRY "+2-2.conf", false);
        SCAN(ENTRY "+2-2.conf");

        /* a file becomes a directory with content, and that a file again */
        scratch_unlink(scratch, MID "/7/initrd", false);
        scratch_mkdir(scratch, MID "/7/initrd");
        scratch_write(scratch, MID "/7/initrd/a", "");
        scratch_write(scratch, MID "/7/initrd/b", "");
        SCAN(MID "/7/initrd");
        scratch_unlink(scratch, MID "/7/initrd/a", false);
        scratch_unlink(scratch, MID "/7/initrd/b", false);
        scratch_unlink(scratch, MID "/7/initrd", true);
        scratch_write(scratch, MID "/7/initrd", "");
        SCAN(MID "/7/initrd");

        /* a counted entry becomes a link, which stands elsewhere in the order */
        scratch_write(scratch, ENTRY "+3.conf", "");
        SCAN(ENTRY "+3.conf");
        scratch_unlink(scratch, ENTRY "+3.conf", false);
        assert_int_equal(symlinkat("x", scratch->fd, ENTRY "+3.conf"), 0);
        SCAN(ENTRY "+3.conf");
        scratch_unlink(scratch, ENTRY "+3.conf", false);
        scratch_write(scratch, ENTRY "+3.conf", "");
        SCAN(ENTRY "+3.conf");
#undef SCAN
}

static void test_special(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };
        static const char *const expected[] = { "EFI", MID "/fifo", MID "/link" };

        make_scope(&scope);
        scratch_mkdir(scratch, MID);
        assert_int_equal(symlinkat("nowhere", scratch->fd, MID "/link"), 0);
        assert_int_equal(symlinkat("nowhere", scratch->fd, "foreign"), 0);
        assert_int_equal(mkfifoat(scratch->fd, MID "/fifo", 0600), 0);
        assert_int_equal(symlinkat(MID, scratch->fd, "EFI"), 0);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(problems.n, 3);
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                const struct item *item = manifest_find(&manifest, expected[i]);

                assert_non_null(item);
                assert_int_equal(item->type, ITEM_OTHER);
                assert_int_equal(problems.items[i].problem, TREE_SPECIAL);
        }
        assert_int_equal(manifest.n, 4);
        /* below a link there is nothing */
        assert_int_equal(tree_scan(scratch->fd, &scope, "EFI/Linux", &manifest, note, &problems),
                         0);
        assert_int_equal(manifest.n, 4);
}

/* Names that FAT would fold into one: the first in byte order stands. */
static void test_case_twins(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };

        make_scope(&scope);
        scratch_mkdir(scratch, MID);
        scratch_mkdir(scratch, MID "/a");
        scratch_write(scratch, MID "/a/below", "");
        scratch_write(scratch, MID "/A", "1");
        if (!scratch_exists(scratch, MID "/a/below"))
                skip();
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(problems.n, 1);
        assert_int_equal(problems.items[0].problem, TREE_BAD_NAME);
        assert_string_equal(problems.items[0].path, MID "/a");
        assert_int_equal(manifest.n, 2);
        assert_string_equal(manifest.items[1].path, MID "/A");

        /* the end of one is not that of the other */
        scratch_unlink(scratch, MID "/a/below", false);
        scratch_unlink(scratch, MID "/a", true);
        assert_int_equal(tree_scan(scratch->fd, &scope, MID "/a", &manifest, note, &problems), 0);
        assert_string_equal(manifest_find(&manifest, MID "/a")->path, MID "/A");
        scratch_unlink(scratch, MID "/A", false);
        assert_int_equal(tree_scan(scratch->fd, &scope, MID "/A", &manifest, note, &problems), 0);
        assert_int_equal(manifest.n, 1);
}

static void test_too_deep(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };
        char path[200] = MID;

        make_scope(&scope);
        for (unsigned i = 0; i < TREE_DEPTH_MAX + 8; i++) {
                scratch_mkdir(scratch, path);
                strcat(path, "/d");
        }
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(problems.n, 1);
        assert_int_equal(problems.items[0].problem, TREE_TOO_DEEP);
        assert_int_equal(manifest.n, TREE_DEPTH_MAX + 1);
        assert_int_equal(manifest.items[TREE_DEPTH_MAX - 1].type, ITEM_DIR);
        assert_int_equal(manifest.items[TREE_DEPTH_MAX].type, ITEM_OTHER);
        assert_string_equal(problems.items[0].path, manifest.items[TREE_DEPTH_MAX].path);
}

static void test_large_entry(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        static char text[ENTRY_SIZE_MAX + 1];

        make_scope(&scope);
        memset(text, '\n', sizeof(text));
        memcpy(text, "linux /a\n", 9);
        scratch_mkdir(scratch, "loader");
        scratch_mkdir(scratch, "loader/entries");
        scratch_write_n(scratch, ENTRY "-max.conf", text, sizeof(text) - 1);
        scratch_write_n(scratch, ENTRY "-more.conf", text, sizeof(text));
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, NULL, NULL), 0);
        assert_true(manifest_find(&manifest, ENTRY "-max.conf")->startable);
        assert_false(manifest_find(&manifest, ENTRY "-more.conf")->startable);
        assert_int_equal(manifest_find(&manifest, ENTRY "-more.conf")->refs.n, 0);
}

/* From now on (false) or no more (true) root's right to read everything. */
static void set_privileged(bool privileged) {
        if (geteuid() == 0)
                setfsuid(privileged ? 0 : 65534);
}

/* What cannot be read is not gone. */
static void test_read_error(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT, before = MANIFEST_INIT;
        struct problems problems = { 0 };

        make_scope(&scope);
        make_tree(scratch);
        assert_int_equal(fchmod(scratch->fd, 0755), 0);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &before, note, &problems), 0);
        assert_int_equal(fchmodat(scratch->fd, MID "/6.1", 0, 0), 0);
        assert_int_equal(fchmodat(scratch->fd, "loader/entries", 0444, 0), 0); /* no lookups */
        set_privileged(false);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        set_privileged(true);
        assert_same(&manifest, &before);
        assert_int_equal(problems.n, 5);
        for (size_t i = 0; i < problems.n; i++) {
                assert_int_equal(problems.items[i].problem, TREE_READ_ERROR);
                assert_int_equal(problems.items[i].error, EACCES);
        }
        assert_string_equal(problems.items[0].path, MID "/6.1");

        /* the same for parts: the directory, something in it, the root */
        problems.n = 0;
        set_privileged(false);
        assert_int_equal(tree_scan(scratch->fd, &scope, MID "/6.1", &manifest, note, &problems), 0);
        assert_int_equal(
                tree_scan(scratch->fd, &scope, MID "/6.1/linux", &manifest, note, &problems), 0);
        assert_int_equal(
                tree_scan(scratch->fd, &scope, ENTRY "+3-1.conf", &manifest, note, &problems), 0);
        set_privileged(true);
        assert_int_equal(fchmod(scratch->fd, 0), 0);
        set_privileged(false);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        set_privileged(true);
        assert_int_equal(problems.n, 4);
        assert_same(&manifest, &before);
        assert_int_equal(fchmod(scratch->fd, 0755), 0);
        assert_int_equal(fchmodat(scratch->fd, MID "/6.1", 0755, 0), 0);
        assert_int_equal(fchmodat(scratch->fd, "loader/entries", 0755, 0), 0);
}

/* An entry whose content cannot be read stands there and names nothing. */
static void test_unreadable_entry(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };

        make_scope(&scope);
        make_tree(scratch);
        assert_int_equal(fchmod(scratch->fd, 0755), 0);
        assert_int_equal(fchmodat(scratch->fd, ENTRY ".conf", 0, 0), 0);
        set_privileged(false);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        set_privileged(true);
        assert_int_equal(problems.n, 1);
        assert_int_equal(problems.items[0].problem, TREE_READ_ERROR);
        assert_string_equal(problems.items[0].path, ENTRY ".conf");
        assert_false(manifest_find(&manifest, ENTRY ".conf")->startable);
}

/* A walk that is broken off changes nothing. */
static void test_broken_off(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT, before = MANIFEST_INIT;
        struct problems problems = { .answer = -ECANCELED };

        make_scope(&scope);
        make_tree(scratch);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &before, note, &problems), 0);
        scratch_unlink(scratch, MID "/6.1/linux", false);
        assert_int_equal(symlinkat("x", scratch->fd, "loader/entries/" MID "-9.conf"), 0);
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, note, &problems),
                         -ECANCELED);
        assert_same(&manifest, &before);
}

static void test_other_mount(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        struct problems problems = { 0 };
        char directory[400], file[400], inside[400];
        int root;
        dev_t devno;

        make_scope(&scope);
        make_tree(scratch);
        snprintf(directory, sizeof(directory), "%s/" MID "/6.1", scratch->path);
        snprintf(inside, sizeof(inside), "%s/" MID "/6.1-old", scratch->path);
        snprintf(file, sizeof(file), "%s/" ENTRY ".conf", scratch->path);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        assert_int_equal(mount("none", directory, "tmpfs", 0, NULL), 0);
        assert_int_equal(mount(file, file, NULL, MS_BIND, NULL), 0);
        /* of the very same file system */
        assert_int_equal(mount(inside, inside, NULL, MS_BIND, NULL), 0);
        assert_int_equal(tree_open(scratch->path, &root, &devno), 0);
        assert_int_equal(tree_scan(root, &scope, "", &manifest, note, &problems), 0);
        assert_int_equal(problems.n, 3);
        for (size_t i = 0; i < problems.n; i++) {
                assert_int_equal(problems.items[i].problem, TREE_OTHER_MOUNT);
                assert_int_equal(manifest_find(&manifest, problems.items[i].path)->type,
                                 ITEM_OTHER);
        }
        assert_null(manifest_find(&manifest, MID "/6.1/linux"));
        assert_int_equal(tree_openat(root, MID "/6.1/linux", O_RDONLY, 0), -EXDEV);
        assert_int_equal(tree_openat(root, MID "/6.1-old", O_RDONLY, 0), -EXDEV);
        close(root);
        umount2(directory, MNT_DETACH);
        umount2(file, MNT_DETACH);
        umount2(inside, MNT_DETACH);
}

static uint64_t cpu_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* Many names in one directory, half of them below what makes the key differ from the path. */
static void test_many(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        uint64_t start, full, part;
        char path[200];

        make_scope(&scope);
        scratch_mkdir(scratch, "loader");
        scratch_mkdir(scratch, "loader/entries");
        for (unsigned i = 0; i < 10000; i++) {
                snprintf(path, sizeof(path), ENTRY ".%u%s.conf", i, i % 2 ? "+3" : "");
                scratch_write(scratch, path, "linux /a\n");
        }
        start = cpu_usec();
        assert_int_equal(tree_scan(scratch->fd, &scope, "", &manifest, NULL, NULL), 0);
        full = cpu_usec() - start;
        assert_int_equal(manifest.n, 10002);
        start = cpu_usec();
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(
                        tree_scan(scratch->fd, &scope, ENTRY ".5000.conf", &manifest, NULL, NULL),
                        0);
        part = (cpu_usec() - start) / 100;
        print_message("10000 entries: %u us in all, %u us for one\n", (unsigned) full,
                      (unsigned) part);
        assert_complete(scratch, &scope, &manifest);
        for (size_t i = 1; i < manifest.n; i++)
                assert_true(relpath_compare(manifest.items[i - 1].key, manifest.items[i].key) <= 0);
}

static int count_bytes(uint64_t bytes, void *userdata) {
        uint64_t *left = userdata;

        if (*left == 0)
                return 1;
        *left -= bytes < *left ? bytes : *left;
        return 0;
}

static int compare(const struct scratch *scratch, const char *a, const char *b,
                   struct digest *ret_digest, int *ret_error) {
        return tree_compare(scratch->fd, a, scratch->fd, b, NULL, NULL, ret_digest, ret_error);
}

static void test_compare(void **state) {
        static const size_t sizes[] = { 1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20 };
        static char content[3 << 20];
        const struct scratch *scratch = *state;
        struct digest digest;
        int error = 77;

        for (size_t i = 0; i < sizeof(content); i++)
                content[i] = (char) (i ^ (i >> 11));
        scratch_write(scratch, "a", "");
        scratch_write(scratch, "b", "");
        assert_int_equal(compare(scratch, "a", "b", &digest, &error), 0);
        assert_true(digest_equal(digest, digest_of("", 0)));
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                size_t last = sizes[i] - 1;

                scratch_write_n(scratch, "a", content, sizes[i]);
                scratch_write_n(scratch, "b", content, sizes[i]);
                assert_int_equal(compare(scratch, "a", "b", &digest, &error), 0);
                assert_true(digest_equal(digest, digest_of(content, sizes[i])));
                content[last] ^= 1;
                scratch_write_n(scratch, "b", content, sizes[i]);
                content[last] ^= 1;
                assert_int_equal(compare(scratch, "a", "b", &digest, &error), TREE_DIFFERENT);
        }
        scratch_write_n(scratch, "b", content, 5);
        assert_int_equal(compare(scratch, "a", "b", &digest, &error), TREE_DIFFERENT);
        assert_int_equal(error, 77);
}

static void test_compare_fails(void **state) {
        static char content[3 << 20];
        const struct scratch *scratch = *state;
        uint64_t left = 1 << 20;
        struct digest digest;
        int error = 0;

        scratch_write_n(scratch, "a", content, sizeof(content));
        scratch_write_n(scratch, "b", content, sizeof(content));
        scratch_mkdir(scratch, "d");
        assert_int_equal(compare(scratch, "none", "b", &digest, &error), TREE_SOURCE_ERROR);
        assert_int_equal(error, ENOENT);
        assert_int_equal(compare(scratch, "a", "d", &digest, &error), TREE_TARGET_ERROR);
        assert_int_equal(error, EISDIR);
        assert_int_equal(tree_compare(scratch->fd, "a", scratch->fd, "b", count_bytes, &left,
                                      &digest, &error),
                         TREE_STOPPED);
}

static void test_open_for_writing(void **state) {
        const struct scratch *scratch = *state;
        int reader, writer;

        scratch_write(scratch, "f", "x");
        reader = tree_openat(scratch->fd, "f", O_RDONLY, 0);
        assert_false(tree_is_open_for_writing(reader));
        writer = openat(scratch->fd, "f", O_WRONLY | O_CLOEXEC);
        assert_true(tree_is_open_for_writing(reader));
        close(writer);
        assert_false(tree_is_open_for_writing(reader));
        assert_int_equal(fcntl(reader, F_GETLEASE), F_UNLCK);
        close(reader);
        assert_false(tree_is_open_for_writing(scratch->fd));
        assert_false(tree_is_open_for_writing(-1));
}

static void test_space(void **state) {
        const struct scratch *scratch = *state;
        struct tree_space space;
        int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(tree_space(scratch->fd, &space), 0);
        assert_true(space.free > 0 && space.free <= space.total);
        assert_true(space.cluster >= 512);
        assert_false(space.read_only);
        assert_true(strlen(space.fstype) > 0);
        assert_int_equal(tree_space(proc, &space), 0);
        assert_string_equal(space.fstype, "0x9fa0");
        close(proc);
        assert_int_equal(tree_space(-1, &space), -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(test_open),
                scratch_test(test_openat_confined),
                scratch_test(test_scan),
                scratch_test(test_scan_parts),
                scratch_test(test_special),
                scratch_test(test_case_twins),
                scratch_test(test_too_deep),
                scratch_test(test_large_entry),
                scratch_test(test_read_error),
                scratch_test(test_unreadable_entry),
                scratch_test(test_broken_off),
                scratch_test(test_many),
                scratch_test(test_compare),
                scratch_test(test_compare_fails),
                scratch_test(test_open_for_writing),
                scratch_test(test_space),
                scratch_test(test_other_mount), /* last: in a mount namespace of its own */
        };

        return cmocka_run_group_tests_name("os/tree", tests, NULL, NULL);
}
