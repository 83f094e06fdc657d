/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "os/mounts.h"

#include "scratch.h"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

/* A path with a blank, an option that only looks like ro, a bind of a subtree, an automount, and
 * neighbours that must not be taken for members. */
static const char mountinfo[] =
        "21 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw\n"
        "30 21 8:1 / /my\\040boot@a rw,relatime - vfat /dev/sda1 rw,fmask=0077,errors=remount-ro\n"
        "31 21 8:17 / /my\\040boot@b rw,relatime - vfat /dev/sdb1 ro,fmask=0077\n"
        "32 21 8:33 / /my\\040boot@c ro,relatime - vfat /dev/sdc1 rw\n"
        "33 21 0:44 / /my\\040boot@d rw - autofs systemd-1 rw,fd=57,pgrp=1,timeout=120\n"
        "34 21 8:49 / /my\\040boot@aa rw - vfat /dev/sdd1 rw\n"
        "35 21 8:49 / /my\\040boot@A rw - vfat /dev/sdd1 rw\n"
        "36 21 8:49 / /my\\040boot@ rw - vfat /dev/sdd1 rw\n"
        "37 21 8:49 / /my\\040boot@a/sub rw - vfat /dev/sdd1 rw\n"
        "38 21 8:49 / /my\\040boots rw - vfat /dev/sdd1 rw\n"
        "39 21 8:1 /sub /my\\040boot rw,relatime shared:9 - vfat /dev/sda1 rw\n"
        "40 39 8:17 / /my\\040boot rw,relatime - vfat /dev/sdb1 rw\n";

static void test_read(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_mounts_ struct mounts mounts = MOUNTS_INIT;
        static const struct {
                const char *target, *fstype, *subtree;
                unsigned major, minor;
                bool read_only;
        } expected[] = {
                { "/my boot@a", "vfat", "/", 8, 1, false },
                { "/my boot@b", "vfat", "/", 8, 17, true },
                { "/my boot@c", "vfat", "/", 8, 33, true },
                { "/my boot@d", "autofs", "/", 0, 44, false },
                { "/my boot", "vfat", "/sub", 8, 1, false },
                { "/my boot", "vfat", "/", 8, 17, false },
        };
        char path[300];

        scratch_write(scratch, "mountinfo", mountinfo);
        snprintf(path, sizeof(path), "%s/mountinfo", scratch->path);
        assert_int_equal(mounts_read(path, "/my boot", &mounts), 0);
        assert_int_equal(mounts.n, ELEMENTSOF(expected));
        for (size_t i = 0; i < mounts.n; i++) {
                assert_string_equal(mounts.entries[i].target, expected[i].target);
                assert_string_equal(mounts.entries[i].fstype, expected[i].fstype);
                assert_string_equal(mounts.entries[i].subtree, expected[i].subtree);
                assert_true(mounts.entries[i].devno ==
                            makedev(expected[i].major, expected[i].minor));
                assert_int_equal(mounts.entries[i].read_only, expected[i].read_only);
        }
}

static void test_read_nothing(void **state) {
        struct mounts mounts = { .n = 77 };

        (void) state;
        assert_true(mounts_read("/nonexistent/mountinfo", "/boot", &mounts) < 0);
        assert_int_equal(mounts.n, 77);
        assert_int_equal(mounts_read("/proc/self/mountinfo", "/no such root", &mounts), 0);
        assert_int_equal(mounts.n, 0);
        assert_null(mounts.entries);
}

static bool is_readable(int fd) {
        struct pollfd pollfd = { .fd = fd, .events = POLLIN };

        return poll(&pollfd, 1, 0) == 1;
}

/* In a mount namespace of its own; true if there are the privileges for that. */
static bool enter_namespace(void) {
        return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void test_bind_and_monitor(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_mounts_monitor_ struct mounts_monitor *monitor = NULL;
        _cleanup_mounts_ struct mounts mounts = MOUNTS_INIT, after = MOUNTS_INIT;
        char from[300], to[300], link[300];

        snprintf(from, sizeof(from), "%s/boot@a", scratch->path);
        snprintf(to, sizeof(to), "%s/boot", scratch->path);
        snprintf(link, sizeof(link), "%s/link", scratch->path);
        scratch_mkdir(scratch, "boot@a");
        scratch_mkdir(scratch, "boot");
        assert_int_equal(symlinkat("boot", scratch->fd, "link"), 0);
        if (!enter_namespace())
                skip();

        assert_int_equal(mounts_monitor_new(&monitor), 0);
        assert_false(is_readable(mounts_monitor_fd(monitor)));
        assert_int_equal(mounts_bind(from, link), -ENOTDIR);
        assert_int_equal(mounts_bind(from, to), 0);
        assert_true(is_readable(mounts_monitor_fd(monitor)));
        assert_true(is_readable(mounts_monitor_fd(monitor)));
        assert_int_equal(mounts_monitor_drain(monitor), 0);
        assert_false(is_readable(mounts_monitor_fd(monitor)));

        assert_int_equal(mounts_read("/proc/self/mountinfo", to, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        assert_string_equal(mounts.entries[0].target, to);
        assert_true(strlen(mounts.entries[0].subtree) >
                    1); /* a directory, not a whole file system */

        assert_int_equal(mounts_detach(to), 0);
        assert_true(is_readable(mounts_monitor_fd(monitor)));
        assert_int_equal(mounts_read("/proc/self/mountinfo", to, &after), 0);
        assert_int_equal(after.n, 0);
        assert_int_equal(mounts_detach(to), -EINVAL);
}

static int uuid_from(const struct scratch *scratch, dev_t devno, char **ret_uuid) {
        char udev[300], links[300];

        snprintf(udev, sizeof(udev), "%s/udev", scratch->path);
        snprintf(links, sizeof(links), "%s/links", scratch->path);
        return mounts_partition_uuid_from(udev, links, devno, ret_uuid);
}

static void test_uuid_from_udev(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_free_ char *uuid = NULL, *mbr = NULL;

        scratch_mkdir(scratch, "udev");
        scratch_write(scratch, "udev/b8:1",
                      "S:disk/by-partlabel/boot@a\nI:1694\nE:ID_PART_ENTRY_SCHEME=gpt\n"
                      "E:ID_PART_ENTRY_UUID_ENC=x\nE:ID_PART_TABLE_UUID=11111111-1111-1111-1111-"
                      "111111111111\nE:ID_PART_ENTRY_UUID=0FC63DAF-8483-4772-8e79-3d69d8477de4\n"
                      "E:ID_PART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n");
        assert_int_equal(uuid_from(scratch, makedev(8, 1), &uuid), 0);
        assert_string_equal(uuid, "0fc63daf-8483-4772-8e79-3d69d8477de4");
        scratch_write(scratch, "udev/b8:2", "I:1\nE:ID_PART_ENTRY_UUID=1234ABCD-01");
        assert_int_equal(uuid_from(scratch, makedev(8, 2), &mbr), 0);
        assert_string_equal(mbr, "1234abcd-01");
}

static void test_uuid_bad(void **state) {
        static const char *const bad[] = {
                "",
                "0fc63daf-8483-4772-8e79-3d69d8477de",
                "0fc63daf-8483-4772-8e79-3d69d8477de44",
                "0fc63daf-8483-4772-8e793-d69d8477de4",
                "0fc63daf-8483-4772-8e79-3d69d8477dg4",
                "0fc63daf-8483-4772-8e79a3d69d8477de4",
                "../../../../etc/passwd/../../../..xx",
                "1234abcd_01",
                "1234abcg-01",
        };
        const struct scratch *scratch = *state;
        char *uuid = NULL;

        scratch_mkdir(scratch, "udev");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char text[200];

                snprintf(text, sizeof(text), "I:1\nE:ID_PART_ENTRY_UUID=%s\nE:X=Y\n", bad[i]);
                scratch_write(scratch, "udev/b8:1", text);
                assert_int_equal(uuid_from(scratch, makedev(8, 1), &uuid), MOUNTS_NO_UUID);
        }
        assert_int_equal(uuid_from(scratch, makedev(8, 9), &uuid), MOUNTS_NO_UUID);
        assert_null(uuid);
}

/* Links to something that is no block device are passed over; the right one needs the privilege to
 * make a device node. */
static void test_uuid_from_links(void **state) {
        const struct scratch *scratch = *state;
        _cleanup_free_ char *uuid = NULL;

        scratch_mkdir(scratch, "links");
        assert_int_equal(
                symlinkat("/dev/null", scratch->fd, "links/00000000-0000-0000-0000-000000000000"),
                0);
        assert_int_equal(
                symlinkat("nowhere", scratch->fd, "links/10000000-0000-0000-0000-000000000000"), 0);
        assert_int_equal(uuid_from(scratch, makedev(1, 3), &uuid), MOUNTS_NO_UUID);
        if (mknodat(scratch->fd, "node", S_IFBLK | 0600, makedev(8, 17)) < 0)
                skip();
        assert_int_equal(
                symlinkat("../node", scratch->fd, "links/0fc63daf-8483-4772-8e79-3D69D8477DE4"), 0);
        assert_int_equal(uuid_from(scratch, makedev(8, 18), &uuid), MOUNTS_NO_UUID);
        assert_int_equal(uuid_from(scratch, makedev(8, 17), &uuid), 0);
        assert_string_equal(uuid, "0fc63daf-8483-4772-8e79-3d69d8477de4");
}

static void test_device_present(void **state) {
        (void) state;
        assert_int_equal(mounts_device_present(makedev(0, 4711)), 0);
        if (access("/sys/dev/block", F_OK) < 0)
                skip();
        assert_int_equal(mounts_device_present(makedev(4000, 4711)), MOUNTS_GONE);
}

static void test_join_init(void **state) {
        int r = mounts_join_init();

        (void) state;
        assert_true(r == 0 || r == -EPERM);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                scratch_test(test_read),
                scratch_test(test_read_nothing),
                scratch_test(test_bind_and_monitor),
                scratch_test(test_uuid_from_udev),
                scratch_test(test_uuid_bad),
                scratch_test(test_uuid_from_links),
                scratch_test(test_device_present),
                scratch_test(test_join_init),
        };

        return cmocka_run_group_tests_name("os/mounts", tests, NULL, NULL);
}
