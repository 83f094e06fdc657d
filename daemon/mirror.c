/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the roles in step with the mount table.
 */
#include "mirror.h"

#include "members.h"

#include <errno.h>
#include <string.h>
#include <time.h>

void mirror_init(struct mirror *mirror, struct report *report, struct config *config) {
        *mirror = (struct mirror){ .report = report, .config = *config };
        *config = (struct config){ 0 };
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                mirror->targets[i].letter = (char) ('a' + i);
}

void mirror_done(struct mirror *mirror) {
        for (size_t i = 0; i < ROLES_MEMBERS; i++)
                target_done(&mirror->targets[i]);
        source_done(&mirror->source);
        findings_done(&mirror->role_problems);
        config_done(&mirror->config);
}

bool mirror_is_target(const struct mirror *mirror, char letter) {
        return letter != mirror->roles.active && mirror->roles.members[letter - 'a'].exists;
}

struct target *mirror_target(struct mirror *mirror, char letter) {
        return &mirror->targets[letter - 'a'];
}

void mirror_set_state(struct target *target, enum target_state state) {
        struct timespec now;

        target->state = state;
        if (state == TARGET_PENDING || state == TARGET_WORKING || target->settled == state)
                return;
        clock_gettime(CLOCK_REALTIME, &now);
        target->settled = state;
        target->since = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static int set_source(struct mirror *mirror, const struct roles *roles) {
        struct source *source = &mirror->source;

        source->root = strdup(mirror->config.root);
        if (!source->root)
                return -ENOMEM;
        source->devno = (dev_t) roles->root.devno;
        memcpy(source->uuid, roles->members[roles->active - 'a'].mount.uuid, sizeof(source->uuid));
        return 0;
}

static int load_baseline(struct mirror *mirror, struct target *target) {
        _cleanup_buf_ struct buf path = BUF_INIT;
        int r, error;

        r = target_load(target, mirror->source.uuid, &error);
        if (r < 0 || error == 0)
                return r;
        r = buf_appendf(&path, "/var/lib/bootsync/%s.base", target->uuid);
        if (r == 0)
                report_message(mirror->report, MESSAGE_STATE_BROKEN, target->letter,
                               (struct message_args){ .path = buf_string(&path), .error = error });
        return r;
}

static void report_missing(struct mirror *mirror, struct target *target) {
        static const struct finding missing = { .kind = FINDING_TARGET_MISSING,
                                                .path = (char *) "",
                                                .other = (char *) "" };

        report_begin(mirror->report, target->letter);
        report_finding(mirror->report, target->letter, target->letter, &missing);
        report_end(mirror->report, target->letter);
}

static int take_mount(struct mirror *mirror, struct target *target,
                      const struct roles_mount *mount) {
        bool was_missing = target->state == TARGET_MISSING;

        target_reset(target);
        target->devno = (dev_t) mount->devno;
        memcpy(target->uuid, mount->uuid, sizeof(target->uuid));
        mirror_set_state(target, TARGET_PENDING);
        report_forget(mirror->report, target->letter);
        if (was_missing)
                report_message(mirror->report, MESSAGE_TARGET_BACK, target->letter,
                               (struct message_args){ 0 });
        return load_baseline(mirror, target);
}

static int update_target(struct mirror *mirror, const struct roles *before, size_t i) {
        const struct roles_member *old = &before->members[i], *new = &mirror->roles.members[i];
        struct target *target = &mirror->targets[i];
        bool same = roles_member_equal(old, new);
        int r;

        if (!mirror_is_target(mirror, target->letter)) {
                if (target->state != TARGET_UNKNOWN) {
                        report_forget(mirror->report, target->letter);
                        target_reset(target);
                }
                return 0;
        }
        if (same && target->state != TARGET_UNKNOWN)
                return 0;
        if (new->mounted) {
                r = take_mount(mirror, target, &new->mount);
                return r < 0 ? r : MIRROR_CHANGED;
        }
        target_reset(target);
        mirror_set_state(target, TARGET_MISSING);
        report_missing(mirror, target);
        return MIRROR_CHANGED;
}

static bool source_is_lost(const struct mirror *mirror) {
        return mirror->source.root && (mirror->roles.active == 0 ||
                                       (dev_t) mirror->roles.root.devno != mirror->source.devno);
}

int mirror_update(struct mirror *mirror) {
        struct roles before = mirror->roles;
        int r, outcome = 0;

        findings_done(&mirror->role_problems);
        r = members_read(mirror->config.root, &mirror->roles, &mirror->role_problems);
        if (r < 0)
                return r;
        if (source_is_lost(mirror))
                return MIRROR_LOST;
        if (!mirror->source.root && mirror->roles.active) {
                r = set_source(mirror, &mirror->roles);
                if (r < 0)
                        return r;
        }
        if (!mirror->source.root)
                return 0;
        if (before.root_mounted && before.root.id != mirror->roles.root.id)
                outcome = MIRROR_REMOUNTED;
        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                r = update_target(mirror, &before, i);
                if (r < 0)
                        return r;
                outcome = r > outcome ? r : outcome;
        }
        return outcome;
}

void mirror_reconfigure(struct mirror *mirror, struct config *config, bool *ret_restart) {
        char *root = config->root;

        *ret_restart =
                strcmp(root, mirror->config.root) != 0 || config->bind != mirror->config.bind;
        config->root = mirror->config.root;
        config->bind = mirror->config.bind;
        mirror->config.root = root;
        config_done(&mirror->config);
        mirror->config = *config;
        *config = (struct config){ 0 };
}
