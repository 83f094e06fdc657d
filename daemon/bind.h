/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bind step: the booted ESP, which is mounted at ROOT@x, is bound to ROOT as well.
 */
#pragma once

#include "base/attr.h"
#include "core/config.h"
#include "report.h"

enum bind_outcome {
        BIND_FAILED = 1,        /* the reason was reported */
        BIND_NO_PERMISSION = 2, /* likewise: this process may not mount */
};

/*
 * Adopts a ROOT that is bound to a member already, else finds the booted ESP and binds it; waits for
 * the variable and the mount as bind_timeout allows. 0, BIND_FAILED, BIND_NO_PERMISSION or < 0.
 */
_must_check_ int bind_root(struct report *report, const struct config *config);
