/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One line that says how things stand: for systemctl status, and for a terminal.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "mirror.h"
#include "round.h"

/* Which ESP is active, which targets are in sync since when, what holds back the others, how far the
 * present copy is. 0 or -ENOMEM. */
_must_check_ int status_format(struct buf *buf, const struct mirror *mirror,
                               const struct round_progress *progress);

/* "/boot@b: 45 of 75 MB". 0 or -ENOMEM. */
_must_check_ int status_format_progress(struct buf *buf, const struct mirror *mirror,
                                        const struct round_progress *progress);
