/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The variables are files of efivarfs: read whole (they cannot be seeked), decoded by core/efivar.
 */
#include "booted.h"

#include "os/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>

#define EFIVARFS_MAGIC 0xde5e81e4 /* linux/magic.h */

/* 0; -ENOENT: no such variable; other errors of reading. */
static int read_variable(const char *name, struct buf *ret_data) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        int r;

        r = buf_appendf(&path, BOOTED_EFIVARS_DIRECTORY "/%s", name);
        return r < 0 ? r : slurp(AT_FDCWD, buf_string(&path), EFIVAR_SIZE_MAX, ret_data);
}

static int explain(struct buf *why, const char *name, const char *text) {
        return buf_appendf(why, "%s%.*s %s", why->size > 0 ? ", " : "", (int) strcspn(name, "-"),
                           name, text);
}

static int explain_result(struct buf *why, const char *name, int r) {
        if (r == -ENOMEM)
                return r;
        if (r == EFIVAR_NO_PARTITION)
                r = explain(why, name, "names no partition");
        else if (r == -ENOENT)
                r = explain(why, name, "is not there");
        else if (r == -EBADMSG)
                r = explain(why, name, "is malformed");
        else
                r = explain(why, name, strerror(-r));
        return r < 0 ? r : BOOTED_UNKNOWN;
}

static int from_text(const char *name, struct booted *ret_booted, struct buf *why) {
        _cleanup_buf_ struct buf data = BUF_INIT;
        int r;

        r = read_variable(name, &data);
        if (r == 0)
                r = efivar_guid_text(data.data, data.size, ret_booted->uuid);
        if (r != 0)
                return explain_result(why, name, r);
        snprintf(ret_booted->variable, sizeof(ret_booted->variable), "%.*s",
                 (int) strcspn(name, "-"), name);
        return 0;
}

static int from_boot_current(struct booted *ret_booted, struct buf *why) {
        _cleanup_buf_ struct buf current = BUF_INIT, option = BUF_INIT;
        char name[EFIVAR_NAME_SIZE];
        uint16_t number;
        int r;

        r = read_variable(EFIVAR_BOOT_CURRENT, &current);
        if (r == 0)
                r = efivar_boot_current(current.data, current.size, &number);
        if (r != 0)
                return explain_result(why, EFIVAR_BOOT_CURRENT, r);

        efivar_boot_name(number, name);
        r = read_variable(name, &option);
        if (r == 0)
                r = efivar_boot_partition(option.data, option.size, ret_booted->uuid);
        if (r != 0)
                return explain_result(why, name, r);
        snprintf(ret_booted->variable, sizeof(ret_booted->variable), "%.*s",
                 (int) strcspn(name, "-"), name);
        return 0;
}

static bool efivarfs_is_mounted(void) {
        struct statfs fs;

        return statfs(BOOTED_EFIVARS_DIRECTORY, &fs) == 0 &&
               (uint32_t) fs.f_type == (uint32_t) EFIVARFS_MAGIC;
}

static int wait_for_loader(struct waiter *waiter, uint64_t deadline, struct booted *ret_booted) {
        for (;;) {
                _cleanup_buf_ struct buf why = BUF_INIT;
                int r;

                if (waiter) {
                        r = waiter_watch(waiter, BOOTED_EFIVARS_DIRECTORY);
                        if (r < 0)
                                return r;
                }
                r = from_text(EFIVAR_LOADER_DEVICE, ret_booted, &why);
                if (r <= 0)
                        return r;
                if (!waiter || efivarfs_is_mounted() || waiter_now() >= deadline)
                        return BOOTED_UNKNOWN;
                r = waiter_wait(waiter, deadline);
                if (r < 0)
                        return r;
        }
}

int booted_find(struct waiter *waiter, uint64_t deadline, struct booted *ret_booted,
                struct buf *ret_why) {
        struct booted booted = { 0 };
        int r;

        if (access(BOOTED_EFI_DIRECTORY, F_OK) < 0 && errno == ENOENT)
                return BOOTED_NO_EFI;
        r = wait_for_loader(waiter, deadline, &booted);
        if (r > 0)
                r = from_text(EFIVAR_LOADER_DEVICE, &booted, ret_why);
        if (r > 0)
                r = from_text(EFIVAR_STUB_DEVICE, &booted, ret_why);
        if (r > 0)
                r = from_boot_current(&booted, ret_why);
        if (r == 0)
                *ret_booted = booted;
        return r;
}
