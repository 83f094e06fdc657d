/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Classification walks the path once, component by component, against the few places where
 * something of ours can be. There is no pattern matching: each place has its own short test.
 *
 * Left out on purpose: globs in extra paths. A list of names can be read and checked by a person.
 */
#include "core/scope.h"

#include "base/relpath.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define ENTRIES_DIR "loader/entries"
#define UKI_DIR "EFI/Linux"
#define ENTRY_SUFFIX ".conf"
#define UKI_SUFFIX ".efi"
#define SIDECAR_SUFFIX ".efi.extra.d"

int scope_init(struct scope *scope, const char *machine_id, const struct strlist *tokens,
               const struct strlist *extra_paths) {
        _cleanup_scope_ struct scope made = SCOPE_INIT;
        int r;

        made.machine_id = strdup(machine_id);
        if (!made.machine_id)
                return -ENOMEM;

        r = strlist_add(&made.tokens, machine_id);
        if (r < 0)
                return r;
        for (size_t i = 0; i < tokens->n; i++) {
                if (strlist_contains(&made.tokens, tokens->items[i]))
                        continue;
                r = strlist_add(&made.tokens, tokens->items[i]);
                if (r < 0)
                        return r;
        }

        r = strlist_copy(&made.extra_paths, extra_paths);
        if (r < 0)
                return r;

        *scope = made;
        made = SCOPE_INIT;
        return 0;
}

void scope_done(struct scope *scope) {
        free(scope->machine_id);
        strlist_done(&scope->tokens);
        strlist_done(&scope->extra_paths);
        *scope = SCOPE_INIT;
}

bool scope_token_valid(const char *text) {
        return text[0] && text[0] != '.' && !strchr(text, '/') && relpath_name_fits_fat(text) &&
               strcasecmp(text, "EFI") != 0 && strcasecmp(text, "loader") != 0;
}

static bool strlist_equal(const struct strlist *a, const struct strlist *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->items[i], b->items[i]) != 0)
                        return false;
        return true;
}

bool scope_equal(const struct scope *a, const struct scope *b) {
        return strlist_equal(&a->tokens, &b->tokens) &&
               strlist_equal(&a->extra_paths, &b->extra_paths);
}

static bool is_leftover(const char *name) {
        size_t prefix = strlen(SCOPE_TEMP_PREFIX), suffix = strlen(SCOPE_TEMP_SUFFIX);
        size_t length = strlen(name);

        if (length <= prefix + suffix || strncasecmp(name, SCOPE_TEMP_PREFIX, prefix) != 0 ||
            strcasecmp(name + length - suffix, SCOPE_TEMP_SUFFIX) != 0)
                return false;
        return strspn(name + prefix, "0123456789") == length - prefix - suffix;
}

/* The length of the part of name before suffix; 0 if name is not longer than suffix or ends
 * otherwise. */
static size_t stem_length(const char *name, size_t length, const char *suffix) {
        size_t n = strlen(suffix);

        if (length <= n || strncasecmp(name + length - n, suffix, n) != 0)
                return 0;
        return length - n;
}

/*
 * Whether the stem of an entry or UKI is TOKEN-…; the offset of what follows the dash, else 0.
 * The machine id may be followed by anything, another token by a digit only.
 */
static size_t token_head(const struct scope *scope, const char *stem, size_t length) {
        for (size_t i = 0; i < scope->tokens.n; i++) {
                const char *token = scope->tokens.items[i];
                size_t n = strlen(token);

                if (length < n + 2 || strncasecmp(stem, token, n) != 0 || stem[n] != '-')
                        continue;
                if (strcmp(token, scope->machine_id) == 0 || isdigit((unsigned char) stem[n + 1]))
                        return n + 1;
        }
        return 0;
}

/* A name directly in loader/entries or EFI/Linux. */
static enum scope_class classify_entry(const struct scope *scope, const char *name,
                                       const char *suffix, enum scope_class class) {
        size_t stem = stem_length(name, strlen(name), suffix);

        return stem > 0 && token_head(scope, name, stem) > 0 ? class : SCOPE_OUTSIDE;
}

/* What lies in EFI/Linux: a UKI, or a side-car folder with all that is in it. rest is the path
 * below EFI/Linux. */
static enum scope_class classify_uki(const struct scope *scope, const char *rest, bool is_dir) {
        size_t first = strcspn(rest, "/");
        bool nested = rest[first] == '/';
        size_t stem;

        if (!nested && !is_dir)
                return classify_entry(scope, rest, UKI_SUFFIX, SCOPE_UKI);

        stem = stem_length(rest, first, SIDECAR_SUFFIX);
        return stem > 0 && token_head(scope, rest, stem) > 0 ? SCOPE_PAYLOAD : SCOPE_OUTSIDE;
}

/* path is below dir but not dir itself: what follows "dir/", else NULL. */
static const char *below(const char *path, const char *dir) {
        if (!relpath_below(path, dir) || relpath_equal(path, dir))
                return NULL;
        return path + strlen(dir) + 1;
}

static enum scope_class classify_own(const struct scope *scope, const char *path, bool is_dir) {
        const char *rest;

        for (size_t i = 0; i < scope->tokens.n; i++) {
                if (relpath_equal(path, scope->tokens.items[i]))
                        return is_dir ? SCOPE_PAYLOAD : SCOPE_OUTSIDE;
                if (relpath_below(path, scope->tokens.items[i]))
                        return SCOPE_PAYLOAD;
        }

        rest = below(path, ENTRIES_DIR);
        if (rest && !is_dir && !strchr(rest, '/'))
                return classify_entry(scope, rest, ENTRY_SUFFIX, SCOPE_ENTRY);

        rest = below(path, UKI_DIR);
        if (rest)
                return classify_uki(scope, rest, is_dir);

        return SCOPE_OUTSIDE;
}

/* An extra path is payload, unless it is an entry by its place: then the order of the commit and
 * the boot counters matter for it, too. */
static enum scope_class classify_extra(const struct scope *scope, const char *path, bool is_dir) {
        for (size_t i = 0; i < scope->extra_paths.n; i++) {
                const char *rest;

                if (!relpath_below(path, scope->extra_paths.items[i]))
                        continue;
                rest = below(path, ENTRIES_DIR);
                if (rest && !is_dir && !strchr(rest, '/') &&
                    stem_length(rest, strlen(rest), ENTRY_SUFFIX) > 0)
                        return SCOPE_ENTRY;
                rest = below(path, UKI_DIR);
                if (rest && !is_dir && !strchr(rest, '/') &&
                    stem_length(rest, strlen(rest), UKI_SUFFIX) > 0)
                        return SCOPE_UKI;
                return SCOPE_PAYLOAD;
        }
        return SCOPE_OUTSIDE;
}

static bool is_on_the_way(const struct scope *scope, const char *path) {
        if (relpath_below(ENTRIES_DIR, path) || relpath_below(UKI_DIR, path))
                return true;
        for (size_t i = 0; i < scope->extra_paths.n; i++)
                if (relpath_below(scope->extra_paths.items[i], path))
                        return true;
        return false;
}

/* Leftovers are looked for only where we write: in payload directories and on the way. */
static bool is_our_directory(const struct scope *scope, const char *path) {
        _cleanup_free_ char *dir = strndup(path, relpath_dir_length(path));

        return dir && scope_classify(scope, dir, true) != SCOPE_OUTSIDE;
}

enum scope_class scope_classify(const struct scope *scope, const char *path, bool is_dir) {
        enum scope_class class;

        if (!is_dir && is_leftover(relpath_name(path)))
                return is_our_directory(scope, path) ? SCOPE_LEFTOVER : SCOPE_OUTSIDE;

        class = classify_own(scope, path, is_dir);
        if (class == SCOPE_OUTSIDE)
                class = classify_extra(scope, path, is_dir);
        if (class == SCOPE_OUTSIDE && is_dir && is_on_the_way(scope, path))
                class = SCOPE_WAY;
        return class;
}

static bool take_version(const char *text, size_t length,
                         char ret_version[static SCOPE_VERSION_SIZE]) {
        if (length == 0 || length >= SCOPE_VERSION_SIZE)
                return false;
        memcpy(ret_version, text, length);
        ret_version[length] = '\0';
        return true;
}

static bool version_from_name(const struct scope *scope, const char *name, size_t length,
                              const char *suffix, char ret_version[static SCOPE_VERSION_SIZE]) {
        size_t stem = stem_length(name, length, suffix);
        size_t head = stem > 0 ? token_head(scope, name, stem) : 0;

        return head > 0 && take_version(name + head, stem - head, ret_version);
}

bool scope_version(const struct scope *scope, const char *key,
                   char ret_version[static SCOPE_VERSION_SIZE]) {
        const char *rest;
        size_t first;

        for (size_t i = 0; i < scope->tokens.n; i++) {
                rest = below(key, scope->tokens.items[i]);
                if (rest)
                        return take_version(rest, strcspn(rest, "/"), ret_version);
        }

        rest = below(key, ENTRIES_DIR);
        if (rest)
                return !strchr(rest, '/') &&
                       version_from_name(scope, rest, strlen(rest), ENTRY_SUFFIX, ret_version);

        rest = below(key, UKI_DIR);
        if (!rest)
                return false;
        first = strcspn(rest, "/");
        return version_from_name(scope, rest, first, SIDECAR_SUFFIX, ret_version) ||
               (rest[first] == '\0' &&
                version_from_name(scope, rest, first, UKI_SUFFIX, ret_version));
}
