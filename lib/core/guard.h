/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guards: numbered reasons not to write. finding.h lists them all; roles.h asks 1 and 2, plan.h
 * asks 10 to 12, and this module asks the others.
 */
#pragma once

#include "base/attr.h"
#include "core/baseline.h"
#include "core/finding.h"
#include "core/manifest.h"
#include "core/roles.h"
#include "core/scope.h"

#include <stdbool.h>

/* The newest kernel version among the names of /lib/modules; NULL if there is none. */
const char *guard_newest_kernel(const struct strlist *modules);

/* Guards 3 to 6, in order; the first that fails is appended and ends the asking. newest may be
 * NULL. modules_error says why /lib/modules could not be listed, or is 0. */
_must_check_ int guard_source(const struct scope *scope, const struct manifest *source,
                              const char *newest, int modules_error, struct findings *findings);

/* Guard 8: a member that is to be written to. letter names it. */
_must_check_ int guard_target(const struct roles *roles, char letter,
                              const struct strlist *file_systems, struct findings *findings);

/*
 * Guard 9: whether the target holds a kernel that is newer than newest and of unknown origin: the
 * baseline does not know it and the source does not hold it. What counts is a file that is not
 * empty below TOKEN/VERSION, an entry or a UKI. 0 or -ENOMEM.
 */
_must_check_ int guard_newer(const struct scope *scope, const struct manifest *source,
                             const struct manifest *target, const struct baseline *baseline,
                             const char *newest, struct findings *findings);

/* Whether manifest holds anything of this kernel version. */
bool guard_holds_version(const struct scope *scope, const struct manifest *manifest,
                         const char *version);

/*
 * Whether all that an entry names is there as files that are not empty (and no Type #1 entries or
 * leftovers themselves); a UKI if it is not empty itself. *ret_missing (may be NULL) is the first path that is not, or NULL: valid as long as entry.
 */
bool guard_entry_complete(const struct manifest *manifest, const struct item *entry,
                          const char **ret_missing);

/* Guard 12: whether the source could boot its newest kernel: that has a complete entry or UKI. */
bool guard_source_bootable(const struct scope *scope, const struct manifest *source,
                           const char *newest);

/*
 * Guard 12: whether a removal of key may be believed without having been seen: it belongs to a
 * kernel version that is gone from /lib/modules, and that is no variant ("6.9.1-fallback") of one
 * that is still there.
 */
bool guard_version_gone(const struct scope *scope, const char *key, const struct strlist *modules);
