/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration files, read and complained about.
 */
#pragma once

#include "base/attr.h"
#include "core/config.h"
#include "report.h"

#define SETTINGS_FILE "/etc/bootsync/bootsync.conf"

enum settings_outcome {
        SETTINGS_UNUSABLE = 1, /* every reason was reported */
};

/*
 * Reads file (NULL: SETTINGS_FILE, which may be missing), then *.conf of the directory of its name
 * with ".d" appended, in the order of their names. 0, SETTINGS_UNUSABLE, or -ENOMEM.
 */
_must_check_ int settings_load(struct report *report, const char *file, struct config *ret_config);

/* Appends the words for one diagnostic: "FILE:LINE: …, and what would be right". 0 or -ENOMEM. */
_must_check_ int settings_format_diagnostic(struct buf *buf,
                                            const struct config_diagnostic *diagnostic);
