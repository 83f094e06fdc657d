/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A part of a manifest replaced as a whole. Internal to the walk.
 */
#pragma once

#include "base/attr.h"
#include "core/manifest.h"

/* Puts the items of fresh, all of them at or below path, in the place of those that manifest holds
 * at and below path. fresh is empty then. 0, or -ENOMEM: the manifest
 * may have lost items then, and is of no use any more. */
_must_check_ int tree_splice(struct manifest *manifest, const char *path, struct manifest *fresh);
