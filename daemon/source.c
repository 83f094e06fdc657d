/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source is only ever read. It is opened for a look and closed again: nothing stays open on an
 * ESP while the daemon waits.
 */
#include "source.h"

#include "core/guard.h"
#include "os/mounts.h"
#include "os/slurp.h"
#include "os/tree.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-id128.h>

#define MODULES_DIRECTORY "/lib/modules"
#define ENTRY_TOKEN_FILE "/etc/kernel/entry-token"
#define ENTRY_TOKEN_SIZE_MAX 4096

void source_done(struct source *source) {
        free(source->root);
        scope_done(&source->scope);
        manifest_done(&source->manifest);
        findings_done(&source->problems);
        strlist_done(&source->modules);
        witness_done(&source->witness);
        *source = (struct source){ 0 };
}

/* The first line of /etc/kernel/entry-token, without blanks around it: kernel-install(8). */
static int read_entry_token(struct strlist *tokens, struct findings *findings) {
        _cleanup_buf_ struct buf text = BUF_INIT;
        char *begin, *end;
        int r;

        r = slurp(AT_FDCWD, ENTRY_TOKEN_FILE, ENTRY_TOKEN_SIZE_MAX, &text);
        if (r == -ENOENT)
                return 0;
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return findings_add(findings, FINDING_BAD_ENTRY_TOKEN, NULL, strerror(-r), 0, 0);
        begin = text.size > 0 ? text.data : NULL;
        if (!begin)
                return findings_add(findings, FINDING_BAD_ENTRY_TOKEN, NULL, NULL, 0, 0);
        begin[strcspn(begin, "\n")] = '\0';
        begin += strspn(begin, " \t\r");
        end = begin + strlen(begin);
        while (end > begin && isspace((unsigned char) end[-1]))
                *--end = '\0';
        if (!scope_token_valid(begin))
                return findings_add(findings, FINDING_BAD_ENTRY_TOKEN, NULL, begin, 0, 0);
        return strlist_add(tokens, begin);
}

int source_identify(struct source *source, const struct config *config, bool *ret_changed,
                    struct findings *findings) {
        _cleanup_strlist_ struct strlist tokens = STRLIST_INIT;
        _cleanup_scope_ struct scope scope = SCOPE_INIT;
        char text[SD_ID128_STRING_MAX];
        struct utsname names;
        sd_id128_t id;
        int r;

        *ret_changed = false;
        if (uname(&names) == 0)
                snprintf(source->running, sizeof(source->running), "%s", names.release);
        if (sd_id128_get_machine(&id) < 0)
                return findings_add(findings, FINDING_NO_MACHINE_ID, NULL, NULL, 0, 0);
        r = config->entry_token_auto ? read_entry_token(&tokens, findings)
                                     : strlist_copy(&tokens, &config->entry_tokens);
        if (r == 0)
                r = scope_init(&scope, sd_id128_to_string(id, text), &tokens, &config->extra_paths);
        if (r < 0)
                return r;
        if (source->scope.machine_id && scope_equal(&source->scope, &scope))
                return 0;

        scope_done(&source->scope);
        source->scope = scope;
        scope = SCOPE_INIT;
        source->scanned = false;
        *ret_changed = true;
        return 0;
}

int source_open(const struct source *source, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        dev_t devno;
        int r;

        r = tree_open(source->root, &fd, &devno);
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                return r;
        if (r < 0 || devno != source->devno)
                return SOURCE_LOST;
        r = mounts_device_present(devno);
        if (r != 0)
                return r < 0 ? r : SOURCE_LOST;
        *ret_fd = steal_fd(&fd);
        return 0;
}

static int on_problem(enum tree_problem problem, const char *path, int error, void *userdata) {
        struct source *source = userdata;

        switch (problem) {
        case TREE_READ_ERROR:
                source->complete = false;
                return findings_add(&source->problems, FINDING_SOURCE_UNREADABLE, path, NULL, 0,
                                    error);
        case TREE_SPECIAL:
                return findings_add(&source->problems, FINDING_SPECIAL, path, NULL, 0, 0);
        case TREE_OTHER_MOUNT:
                return findings_add(&source->problems, FINDING_OTHER_MOUNT, path, NULL, 0, 0);
        case TREE_BAD_NAME:
                return findings_add(&source->problems, FINDING_BAD_NAME, path, NULL, 0, 0);
        case TREE_TOO_DEEP:
                source->complete = false;
                return findings_add(&source->problems, FINDING_TOO_MUCH, path, NULL, 0, 0);
        }
        return 0;
}

static int scan_all(struct source *source, int root) {
        int r;

        findings_done(&source->problems);
        manifest_done(&source->manifest);
        source->complete = true;
        r = tree_scan(root, &source->scope, "", &source->manifest, on_problem, source);
        source->scanned = r == 0;
        return r;
}

static int scan_paths(struct source *source, int root, const struct strlist *paths) {
        int r = 0;

        for (size_t i = 0; i < paths->n && r == 0; i++)
                r = tree_scan(root, &source->scope, paths->items[i], &source->manifest, on_problem,
                              source);
        return r;
}

static int read_modules(struct source *source, int *ret_error) {
        int r;

        strlist_done(&source->modules);
        source->newest = NULL;
        r = slurp_names(MODULES_DIRECTORY, true, &source->modules);
        if (r == -ENOMEM)
                return r;
        *ret_error = r < 0 ? -r : 0;
        source->newest = guard_newest_kernel(&source->modules);
        return 0;
}

static int add_problems(const struct source *source, struct findings *findings) {
        int r = 0;

        for (size_t i = 0; i < source->problems.n && r == 0; i++) {
                const struct finding *f = &source->problems.items[i];

                r = findings_add(findings, f->kind, f->path, f->other, f->number, f->error);
        }
        return r;
}

int source_refresh(struct source *source, bool all, const struct strlist *paths,
                   struct findings *findings) {
        _cleanup_close_ int root = -1;
        int r, modules_error = 0;

        r = source_open(source, &root);
        if (r != 0)
                return r;
        /* After an error only a look at everything can clear the doubt. */
        if (all || !source->scanned || !source->complete)
                r = scan_all(source, root);
        else
                r = scan_paths(source, root, paths);
        if (r == 0)
                r = read_modules(source, &modules_error);
        if (r < 0)
                return r;
        witness_forget_present(&source->witness, &source->manifest);

        r = guard_source(&source->scope, &source->manifest, source->newest, modules_error,
                         findings);
        return r < 0 ? r : add_problems(source, findings);
}
