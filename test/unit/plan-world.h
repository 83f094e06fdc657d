/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random pairs of disks, as installations, removals, crashes and faults leave them.
 */
#pragma once

#include "plan-check.h"

/* What was built into a world, for those who count. */
enum feature {
        FEATURE_TYPE1,
        FEATURE_UKI,
        FEATURE_UKI_KEY, /* a Type #1 entry that names a UKI */
        FEATURE_SIDECAR,
        FEATURE_TOKEN, /* named by the entry token, not by the machine id */
        FEATURE_RESCUE,
        FEATURE_NEW,
        FEATURE_REMOVED_SEEN,
        FEATURE_REMOVED_PARTLY_SEEN,
        FEATURE_REMOVED_UNSEEN,
        FEATURE_MODULES_GONE,
        FEATURE_REFRESHED,
        FEATURE_EMPTIED,
        FEATURE_DANGLING_SOURCE,
        FEATURE_DANGLING_TARGET,
        FEATURE_SHARED,
        FEATURE_ENTRY_CHANGED,
        FEATURE_COUNTED_SOURCE,
        FEATURE_COUNTED_TARGET,
        FEATURE_TWO_FORMS_SOURCE,
        FEATURE_TWO_FORMS_TARGET,
        FEATURE_CLASH_FILE, /* a file on the target, a directory on the source */
        FEATURE_CLASH_DIR,
        FEATURE_LEFTOVER,
        FEATURE_EXTRA,
        FEATURE_EXTRA_PATH,
        FEATURE_DRIFT,
        FEATURE_OUTSIDE, /* an entry names what is not mirrored */
        FEATURE_BAD_NAME,
        FEATURE_SPECIAL,
        FEATURE_CASE,
        FEATURE_BASELINE,
        FEATURE_FROZEN,
        FEATURE_PRUNE,
        FEATURE_RUNNING,
        FEATURE_TIGHT,
        FEATURE_N,
};

extern const char *const feature_names[FEATURE_N];

/* Sets the flag of each feature that it has. Release with world_done(). */
struct world world_generate(uint64_t seed, bool has[static FEATURE_N]);
