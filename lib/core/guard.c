/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each guard is one function that says no, and why. The order is that of their numbers.
 */
#include "core/guard.h"

#include "base/relpath.h"
#include "core/version.h"

#include <string.h>
#include <strings.h>

#define LOADER_DIR "loader"
#define UKI_DIR "EFI/Linux"

const char *guard_newest_kernel(const struct strlist *modules) {
        const char *newest = NULL;

        for (size_t i = 0; i < modules->n; i++)
                if (version_is_kernel(modules->items[i]) &&
                    (!newest || version_compare(modules->items[i], newest) > 0))
                        newest = modules->items[i];
        return newest;
}

bool guard_holds_version(const struct scope *scope, const struct manifest *manifest,
                         const char *version) {
        char found[SCOPE_VERSION_SIZE];

        for (size_t i = 0; i < manifest->n; i++)
                if (scope_version(scope, manifest->items[i].key, found) &&
                    strcasecmp(found, version) == 0)
                        return true;
        return false;
}

int guard_source(const struct scope *scope, const struct manifest *source, const char *newest,
                 int modules_error, struct findings *findings) {
        const struct item *loader = manifest_find(source, LOADER_DIR);

        if (!loader || loader->type != ITEM_DIR)
                return findings_add(findings, FINDING_NO_LOADER, NULL, NULL, 0, 0);
        if (!scope->machine_id)
                return findings_add(findings, FINDING_NO_MACHINE_ID, NULL, NULL, 0, 0);
        if (!newest)
                return findings_add(findings, FINDING_NO_MODULES, NULL, NULL, 0, modules_error);
        if (!guard_holds_version(scope, source, newest))
                return findings_add(findings, FINDING_NEWEST_MISSING, NULL, newest, 0, 0);
        return 0;
}

int guard_target(const struct roles *roles, char letter, const struct strlist *file_systems,
                 struct findings *findings) {
        const struct roles_member *member = &roles->members[letter - 'a'];

        if (!member->mounted)
                return findings_add(findings, FINDING_TARGET_MISSING, NULL, NULL, 0, 0);
        if (roles->root_mounted && member->mount.devno == roles->root.devno)
                return findings_add(findings, FINDING_TARGET_IS_SOURCE, NULL, NULL, 0, 0);
        if (!strlist_contains(file_systems, member->mount.fstype))
                return findings_add(findings, FINDING_TARGET_WRONG_FS, NULL, member->mount.fstype,
                                    0, 0);
        if (member->mount.read_only)
                return findings_add(findings, FINDING_TARGET_READ_ONLY, NULL, NULL, 0, 0);
        return 0;
}

static bool baseline_holds_version(const struct scope *scope, const struct baseline *baseline,
                                   const char *version) {
        char found[SCOPE_VERSION_SIZE];

        for (size_t i = 0; baseline && i < baseline->n; i++)
                if (scope_version(scope, baseline->records[i].key, found) &&
                    strcasecmp(found, version) == 0)
                        return true;
        return false;
}

/* A file below TOKEN/VERSION, an entry or a UKI: no stray file in TOKEN, no side-car, no leftover. */
static bool is_of_kernel(const struct item *item) {
        const char *slash = strchr(item->key, '/');

        if (item->type != ITEM_FILE || item->size == 0)
                return false;
        if (item_is_entry(item))
                return true;
        return item->class == SCOPE_PAYLOAD && slash && strchr(slash + 1, '/') &&
               !relpath_below(item->key, UKI_DIR);
}

int guard_newer(const struct scope *scope, const struct manifest *source,
                const struct manifest *target, const struct baseline *baseline, const char *newest,
                struct findings *findings) {
        char greatest[SCOPE_VERSION_SIZE] = "", version[SCOPE_VERSION_SIZE];

        for (size_t i = 0; i < target->n; i++) {
                const struct item *item = &target->items[i];

                if (!is_of_kernel(item) || !scope_version(scope, item->key, version) ||
                    !version_is_kernel(version) || version_compare(version, newest) <= 0 ||
                    (greatest[0] && version_compare(version, greatest) <= 0))
                        continue;
                if (guard_holds_version(scope, source, version) ||
                    baseline_holds_version(scope, baseline, version))
                        continue;
                memcpy(greatest, version, sizeof(greatest));
        }
        if (!greatest[0])
                return 0;
        return findings_add(findings, FINDING_TARGET_NEWER, newest, greatest, 0, 0);
}

bool guard_entry_complete(const struct manifest *manifest, const struct item *entry,
                          const char **ret_missing) {
        const char *missing = NULL;
        bool complete = entry->startable && entry->size > 0;

        for (size_t i = 0; complete && !missing && i < entry->refs.n; i++) {
                const struct item *named = manifest_find(manifest, entry->refs.items[i]);

                if (!named || named->type != ITEM_FILE || named->size == 0 ||
                    named->class == SCOPE_ENTRY || named->class == SCOPE_LEFTOVER)
                        missing = entry->refs.items[i];
        }
        if (ret_missing)
                *ret_missing = missing;
        return complete && !missing;
}

bool guard_source_bootable(const struct scope *scope, const struct manifest *source,
                           const char *newest) {
        char version[SCOPE_VERSION_SIZE];

        for (size_t i = 0; i < source->n; i++)
                if (item_is_entry(&source->items[i]) &&
                    scope_version(scope, source->items[i].key, version) &&
                    strcasecmp(version, newest) == 0 &&
                    guard_entry_complete(source, &source->items[i], NULL))
                        return true;
        return false;
}

/* "6.9.1-fallback" is a variant of 6.9.1, "6.9.10" is not. */
static bool is_variant(const char *version, const char *of) {
        size_t n = strlen(of);

        return strncasecmp(version, of, n) == 0 &&
               (version[n] == '\0' || strchr("-+._", version[n]));
}

bool guard_version_gone(const struct scope *scope, const char *key, const struct strlist *modules) {
        char version[SCOPE_VERSION_SIZE];

        if (!scope_version(scope, key, version) || !version_is_kernel(version))
                return false;
        for (size_t i = 0; i < modules->n; i++)
                if (is_variant(version, modules->items[i]))
                        return false;
        return true;
}
