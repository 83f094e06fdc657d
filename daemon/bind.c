/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In this order:
 *   1. ROOT is mounted from a disk that is gone: detach it. Not with Bind=no: then the mount is
 *      somebody else's.
 *   2. ROOT is mounted: an automount is explained; a member's file system is adopted, with a warning
 *      if it is not the booted one; anything else is refused. A member may be mounted late.
 *   3. ROOT must be an empty directory.
 *   4. The booted partition is asked for, and the mount at ROOT@x waited for that shows it.
 *   5. It is bound, unless ROOT was mounted or filled meanwhile, and /run/bootsync/source becomes a
 *      link to ROOT@x: the unit makes that path read-only for the daemon, as all of ROOT is.
 */
#include "bind.h"

#include "base/buf.h"
#include "base/strlist.h"
#include "booted.h"
#include "members.h"
#include "os/mounts.h"
#include "os/slurp.h"
#include "os/state.h"
#include "waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SOURCE_LINK STATE_RUN_DIRECTORY "/source"
#define BIND_LOCK STATE_RUN_DIRECTORY "/bind.lock"
#define PARTUUID_DIRECTORY "/dev/disk/by-partuuid"

/* A disk that is not there yet may be slow to be found; one that is there is mounted soon. */
#define DEVICE_PATIENCE 6

struct bind {
        struct report *report;
        const struct config *config;
        struct waiter *waiter;
        bool privileged;
};

/* Whether this process may mount: capabilities(7), CAP_SYS_ADMIN. */
static bool may_mount(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { 0 };

        if (syscall(SYS_capget, &header, data) < 0)
                return false;
        return (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) != 0;
}

static int refuse(struct bind *bind, int message, struct message_args args) {
        report_message(bind->report, message, 0, args);
        return BIND_FAILED;
}

static int read_members(struct bind *bind, struct roles *ret_roles) {
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;

        return members_read(bind->config->root, ret_roles, &findings);
}

/* The link tells the unit which member to cover, and a later process of ours that the bind step has
 * spoken. Without it the daemon works all the same. */
static int set_source_link(struct bind *bind, char letter) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        int r;

        r = members_path(bind->config->root, letter, &path);
        if (r < 0)
                return r;
        if (!bind->privileged)
                return 0;
        if (mkdir(STATE_RUN_DIRECTORY, 0755) < 0 && errno != EEXIST) {
                report_fault(bind->report, STATE_RUN_DIRECTORY, errno);
                return 0;
        }
        if ((unlink(SOURCE_LINK) < 0 && errno != ENOENT) ||
            symlink(buf_string(&path), SOURCE_LINK) < 0)
                report_fault(bind->report, SOURCE_LINK, errno);
        return 0;
}

static bool source_link_names(struct bind *bind, char letter) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        char target[512];
        ssize_t n = readlink(SOURCE_LINK, target, sizeof(target));

        return n > 0 && members_path(bind->config->root, letter, &path) == 0 &&
               path.size == (size_t) n && memcmp(target, path.data, path.size) == 0;
}

/* ---- 1. and 2. ROOT is mounted ---- */

static int adopt(struct bind *bind, const struct roles *roles) {
        const struct roles_mount *active = &roles->members[roles->active - 'a'].mount;
        _cleanup_buf_ struct buf why = BUF_INIT;
        struct booted booted;
        bool told = !bind->privileged && source_link_names(bind, roles->active);
        int r;

        r = booted_find(NULL, 0, &booted, &why);
        if (r < 0)
                return r;
        if (!told)
                report_message(bind->report,
                               r == 0 && active->uuid[0] && strcmp(active->uuid, booted.uuid) != 0
                                       ? MESSAGE_ADOPTED_OTHER
                                       : MESSAGE_ADOPTED,
                               roles->active,
                               (struct message_args){ .other = r == 0 ? booted.uuid : NULL });
        return set_source_link(bind, roles->active);
}

static int detach_dead(struct bind *bind, struct roles *roles) {
        int r;

        while (roles->root_mounted && bind->privileged && bind->config->bind &&
               mounts_device_present((dev_t) roles->root.devno) == MOUNTS_GONE) {
                report_message(bind->report, MESSAGE_REBIND, 0, (struct message_args){ 0 });
                r = mounts_detach(bind->config->root);
                if (r == 0)
                        r = read_members(bind, roles);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int wait_for_member(struct bind *bind, struct roles *roles) {
        uint64_t deadline = waiter_now() + bind->config->bind_timeout;
        int r;

        while (roles->root_mounted && roles->active == 0 &&
               strcmp(roles->root.fstype, "autofs") != 0) {
                r = waiter_wait(bind->waiter, deadline);
                if (r == WAITER_TIMEOUT)
                        return 0;
                if (r == 0)
                        r = read_members(bind, roles);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_mounted(struct bind *bind, struct roles *roles) {
        int r;

        r = wait_for_member(bind, roles);
        if (r < 0)
                return r;
        if (strcmp(roles->root.fstype, "autofs") == 0)
                return refuse(bind, FINDING_ROOT_AUTOFS, (struct message_args){ 0 });
        if (roles->active == 0)
                return refuse(bind, FINDING_ROOT_NO_MEMBER,
                              (struct message_args){ .other = roles->root.fstype });
        return adopt(bind, roles);
}

/* ---- 3. ROOT is a directory ---- */

static int check_directory(struct bind *bind) {
        _cleanup_strlist_ struct strlist names = STRLIST_INIT;
        const char *root = bind->config->root;
        struct stat st;
        int r;

        if (lstat(root, &st) < 0)
                return refuse(bind, MESSAGE_BIND_NO_ROOT, (struct message_args){ .error = errno });
        if (!S_ISDIR(st.st_mode))
                return refuse(bind, MESSAGE_BIND_NO_DIRECTORY, (struct message_args){ 0 });
        r = slurp_names(root, false, &names);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(bind, MESSAGE_BIND_NO_ROOT, (struct message_args){ .error = r });
        if (names.n > 0)
                return refuse(bind, MESSAGE_BIND_NOT_EMPTY,
                              (struct message_args){ .path = names.items[0] });
        return 0;
}

/* ---- 4. The booted ESP ---- */

static int find_booted(struct bind *bind, struct booted *ret_booted) {
        _cleanup_buf_ struct buf why = BUF_INIT;
        int r;

        r = booted_find(bind->waiter, waiter_now() + bind->config->bind_timeout, ret_booted, &why);
        if (r == BOOTED_NO_EFI)
                return refuse(bind, MESSAGE_BIND_NO_EFI, (struct message_args){ 0 });
        if (r == BOOTED_UNKNOWN)
                return refuse(bind, MESSAGE_BIND_NO_UUID,
                              (struct message_args){ .other = buf_string(&why) });
        return r;
}

static bool device_exists(const char *uuid) {
        _cleanup_buf_ struct buf path = BUF_INIT;

        return buf_appendf(&path, PARTUUID_DIRECTORY "/%s", uuid) == 0 &&
               access(buf_string(&path), F_OK) == 0;
}

/* Waits for the member that shows the partition: bind_timeout from the moment at which its device is
 * there, and a multiple of that for the device. */
static int wait_for_booted(struct bind *bind, const char *uuid, char *ret_letter) {
        uint64_t timeout = bind->config->bind_timeout;
        uint64_t device_deadline = waiter_now() + DEVICE_PATIENCE * timeout, deadline = 0;
        struct roles roles;
        int r;

        for (;;) {
                r = waiter_watch(bind->waiter, PARTUUID_DIRECTORY);
                if (r == 0)
                        r = read_members(bind, &roles);
                if (r < 0)
                        return r;
                *ret_letter = roles_find_uuid(&roles, uuid);
                if (*ret_letter)
                        return 0;
                if (deadline == 0 && device_exists(uuid))
                        deadline = waiter_now() + timeout;

                r = waiter_wait(bind->waiter, deadline ? deadline : device_deadline);
                if (r < 0)
                        return r;
                if (r == WAITER_TIMEOUT)
                        return refuse(
                                bind, MESSAGE_BIND_NOT_MOUNTED,
                                (struct message_args){
                                        .other = uuid,
                                        .path = deadline ? "" : ", and there is no such disk" });
        }
}

/* ---- 5. The bind ---- */

static int bind_member(struct bind *bind, char letter, const struct booted *booted) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        int r;

        r = members_path(bind->config->root, letter, &path);
        if (r == 0)
                r = mounts_bind(buf_string(&path), bind->config->root);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(bind, MESSAGE_BIND_FAILED,
                              (struct message_args){ .esp = buf_string(&path), .error = r });
        report_message(bind->report, MESSAGE_BOUND, letter,
                       (struct message_args){ .other = booted->variable });
        return set_source_link(bind, letter);
}

static int make_run_directory(void) {
        return mkdir(STATE_RUN_DIRECTORY, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Of two that wait for the same ESP, one binds, and the other finds it bound. The lock is a file that
 * only root can open: nobody else can hold up a boot. */
static int lock_bind(int *ret_fd) {
        _cleanup_close_ int fd = -1;
        int r;

        r = make_run_directory();
        if (r < 0)
                return r;
        fd = open(BIND_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return -errno;
        *ret_fd = steal_fd(&fd);
        return 0;
}

/* Whatever came while we waited counts: a mount on ROOT, a file in it. */
static int bind_if_free(struct bind *bind, char letter, const struct booted *booted) {
        _cleanup_close_ int lock = -1;
        struct roles roles;
        int r;

        r = lock_bind(&lock);
        if (r < 0)
                return refuse(bind, MESSAGE_LOCK_FAILED,
                              (struct message_args){ .path = BIND_LOCK, .error = r });
        r = read_members(bind, &roles);
        if (r < 0)
                return r;
        if (roles.root_mounted)
                return take_mounted(bind, &roles);
        r = check_directory(bind);
        return r != 0 ? r : bind_member(bind, letter, booted);
}

static int bind_new(struct bind *bind) {
        struct booted booted;
        char letter;
        int r;

        if (!bind->config->bind)
                return refuse(bind, MESSAGE_BIND_OFF, (struct message_args){ 0 });
        if (!bind->privileged) {
                report_message(bind->report, MESSAGE_BIND_NO_PRIVILEGE, 0,
                               (struct message_args){ 0 });
                return BIND_NO_PERMISSION;
        }
        r = check_directory(bind);
        if (r == 0)
                r = find_booted(bind, &booted);
        if (r == 0)
                r = wait_for_booted(bind, booted.uuid, &letter);
        if (r == 0)
                r = bind_if_free(bind, letter, &booted);
        return r;
}

int bind_root(struct report *report, const struct config *config) {
        _cleanup_waiter_ struct waiter *waiter = NULL;
        struct bind bind = { .report = report, .config = config, .privileged = may_mount() };
        struct roles roles;
        int r;

        r = waiter_new(&waiter);
        if (r < 0)
                return r;
        bind.waiter = waiter;

        r = read_members(&bind, &roles);
        if (r == 0)
                r = detach_dead(&bind, &roles);
        if (r < 0)
                return r;
        return roles.root_mounted ? take_mounted(&bind, &roles) : bind_new(&bind);
}
