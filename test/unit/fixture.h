/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of the decisions share: a disk in memory, described by short lines of text, which
 * can be scanned into a manifest and changed step by step; and repeatable random numbers.
 */
#pragma once

#include "base/attr.h"
#include "base/strlist.h"
#include "core/baseline.h"
#include "core/manifest.h"
#include "core/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Short for a machine id; '$' stands for it in every text below. */
#define MID "c0ffee"

enum node_kind {
        NODE_FILE,
        NODE_DIR,
        NODE_OTHER,
};

struct node {
        char *path;
        uint32_t hash; /* of the folded path */
        enum node_kind kind;
        uint64_t size;
        uint32_t content; /* two files are equal if this and size are */
        int64_t mtime;    /* follows from content */
        char *text;       /* of an entry, else NULL */
        struct strlist refs;
        bool starts; /* an entry that names a kernel, or a UKI */
        bool mark;   /* for the test that uses the disk */
};

struct disk {
        struct node *nodes; /* in no order */
        size_t n;
        size_t room;
};

#define DISK_INIT ((struct disk){ 0 })

void disk_done(struct disk *disk);
#define _cleanup_disk_ _cleanup_(disk_done)

/* The node at path (case folded), or NULL. */
struct node *disk_find(const struct disk *disk, const char *path);
/* Whether a directory has anything in it. */
bool disk_is_empty_dir(const struct disk *disk, const char *path);

/* Each replaces what is at path, and makes parents. */
struct node *disk_mkdir(struct disk *disk, const char *path);
struct node *disk_file(struct disk *disk, const char *path, uint64_t size, const char *label);
/* refs: paths that blanks separate, the first one the kernel; "" makes an entry that names none. */
struct node *disk_entry(struct disk *disk, const char *path, const char *refs);

/* Removes the node and all below it. */
void disk_remove(struct disk *disk, const char *path);
void disk_copy_node(struct disk *disk, const char *path, const struct node *from);
void disk_copy(struct disk *to, const struct disk *from);

/*
 * Adds what text says, one node a line:
 *   DIR/                  a directory
 *   FILE SIZE[=LABEL]     a file; files with one LABEL and SIZE are equal (default: the path)
 *   ENTRY -> REF…         an entry that names REFs
 *   @PATH                 a link or the like
 */
void disk_describe(struct disk *disk, const char *text);

/* As a scan of the disk would find it: what is outside of the scope is not in it. */
void disk_scan(const struct disk *disk, const struct scope *scope, struct manifest *ret_manifest);

/* Whether the node can be started and all that it names is there and not empty. */
bool disk_entry_complete(const struct disk *disk, const struct node *entry);

/* A scope of MID and the token "fedora"; extra: words, may be "". */
struct scope fixture_scope(const char *extra);
/* The words of text, with '$' replaced. */
struct strlist fixture_words(const char *text);
/* text with every '$' replaced by MID. The caller frees it. */
char *fixture_expand(const char *text);

/* A baseline that says that these keys are equal on both disks now. */
void fixture_baseline_add(struct baseline *baseline, const struct manifest *source,
                          const struct manifest *target, const char *key);

struct random {
        uint64_t state;
};

uint64_t random_next(struct random *random);
/* 0 … n - 1; n > 0. */
size_t random_below(struct random *random, size_t n);
bool random_chance(struct random *random, unsigned percent);
