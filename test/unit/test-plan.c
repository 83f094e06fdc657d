/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan, in two ways: a table of cases with each step written out, and thousands of generated
 * worlds, of which no step may break a promise (plan-check.c lists them). Each kind of world, order
 * and finding must have come up, or the test has proved nothing.
 *
 * PLAN_SEED=n runs one generated world, PLAN_CASES=n so many.
 */
#include "plan-world.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define CASES 6000

/* ---- The table ---- */

/* Both disks hold two kernels; the lines are added to it. */
#define KERNEL(v)                                                                                  \
        "$/" v "/linux 100\n"                                                                      \
        "$/" v "/initrd 200\n"                                                                     \
        "loader/entries/$-" v ".conf -> $/" v "/linux $/" v "/initrd\n"
#define UKI(v) "EFI/Linux/$-" v ".efi 300\n"

struct plan_case {
        const char *name;
        const char *source;
        const char *target;
        const char *modules;
        const char *seen;
        const char *running;
        uint64_t free; /* 0: plenty; clusters are of one byte */
        bool incomplete;
        bool prune;
        bool ext4;
        const char *steps; /* one a line, of the first round */
        const char *found;
};

static const struct plan_case cases[] = {
        {
                .name = "nothing to do",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
        },
        {
                .name = "first fill: directories, payload, UKIs, entries",
                .source = KERNEL("6.9.1") UKI("6.8.1") "EFI/Linux/$-6.8.1.efi.extra.d/a 5\n",
                .target = "",
                .modules = "6.9.1",
                .steps = "mkdir $\n"
                         "mkdir $/6.9.1\n"
                         "mkdir EFI\n"
                         "mkdir EFI/Linux\n"
                         "mkdir EFI/Linux/$-6.8.1.efi.extra.d\n"
                         "mkdir loader\n"
                         "mkdir loader/entries\n"
                         "put $/6.9.1/initrd\n"
                         "put $/6.9.1/linux\n"
                         "put EFI/Linux/$-6.8.1.efi.extra.d/a\n"
                         "put EFI/Linux/$-6.8.1.efi\n"
                         "put loader/entries/$-6.9.1.conf\n",
        },
        {
                .name = "removed and seen: entry, payload, directory",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1 6.8.1",
                .seen = "loader/entries/$-6.8.1.conf $/6.8.1",
                .steps = "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/6.8.1/initrd\n"
                         "unlink $/6.8.1/linux\n"
                         "rmdir $/6.8.1\n",
        },
        {
                .name = "removed and unseen: all stays, and is told once",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1 6.8.1",
                .found = "1201 $/6.8.1\n1201 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "unseen, but the modules are gone",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1",
                .steps = "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/6.8.1/initrd\n"
                         "unlink $/6.8.1/linux\n"
                         "rmdir $/6.8.1\n",
        },
        {
                .name = "unseen, but the administrator vouches for it",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1 6.8.1",
                .prune = true,
                .steps = "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/6.8.1/initrd\n"
                         "unlink $/6.8.1/linux\n"
                         "rmdir $/6.8.1\n",
        },
        {
                .name = "an incomplete scan removes nothing, and still adds",
                .source = KERNEL("6.9.1") "$/6.9.1/extra 1\n",
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1",
                .incomplete = true,
                .steps = "put $/6.9.1/extra\n",
        },
        {
                .name = "a source that cannot boot its newest kernel removes nothing",
                .source = KERNEL("6.9.1") "$/6.10.1/linux 1\n",
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.10.1 6.9.1",
                .steps = "mkdir $/6.10.1\nput $/6.10.1/linux\n",
                .found = "1202 6.10.1\n",
        },
        {
                .name = "a clash that such a source holds back is told",
                .source = KERNEL("6.9.1") "$/6.10.1/linux 1\n$/x/y 1\n",
                .target = KERNEL("6.9.1") "$/x 3\n",
                .modules = "6.10.1 6.9.1",
                .steps = "mkdir $/6.10.1\nput $/6.10.1/linux\n",
                .found = "1202 6.10.1\n",
        },
        {
                .name = "the running kernel stays",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1",
                .seen = "loader/entries/$-6.8.1.conf $/6.8.1",
                .running = "6.8.1",
                .found = "1102 $/6.8.1\n1102 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "the last complete entry stays",
                .source = KERNEL("6.9.1") "loader/entries/$-6.9.1.conf -> $/6.9.1/linux\n",
                .target = KERNEL("6.8.1"),
                .modules = "6.9.1",
                .free = 1,
                .found = "1001\n",
        },
        {
                .name = "no complete entry of the source can be put, so none goes",
                .source = "loader/entries/$-6.9.1.conf -> $/6.9.1/lin:ux\n$/6.9.1/lin:ux 1\n",
                .target = KERNEL("6.8.1"),
                .modules = "6.9.1",
                .steps = "mkdir $/6.9.1\n",
                .found = "2004 $/6.9.1/lin:ux\n"
                         "2001 loader/entries/$-6.9.1.conf $/6.9.1/lin:ux\n"
                         "1101\n",
        },
        {
                .name = "on another file system the same name is none",
                .source = "loader/entries/$-6.9.1.conf -> $/6.9.1/lin:ux\n$/6.9.1/lin:ux 1\n",
                .target = KERNEL("6.8.1"),
                .modules = "6.9.1",
                .ext4 = true,
                .steps = "mkdir $/6.9.1\n"
                         "put $/6.9.1/lin:ux\n"
                         "put loader/entries/$-6.9.1.conf\n"
                         "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/6.8.1/initrd\n"
                         "unlink $/6.8.1/linux\n"
                         "rmdir $/6.8.1\n",
        },
        {
                .name = "an entry whose own name does not fit is told",
                .source = KERNEL("6.9.1") "loader/entries/$-6.9.1?.conf -> $/6.9.1/linux\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .found = "2004 loader/entries/$-6.9.1?.conf\n",
        },
        {
                .name = "what is below a directory whose name does not fit is told once",
                .source = KERNEL("6.9.1") "$/a:b/c 1\n$/a:b/d:e 1\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .found = "2004 $/a:b\n",
        },
        {
                .name = "a kernel gone with its entry left behind: the entry is retired first",
                .source = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf -> $/6.8.1/linux\n",
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1",
                .seen = "$/6.8.1",
                .steps = "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/6.8.1/initrd\n"
                         "unlink $/6.8.1/linux\n"
                         "rmdir $/6.8.1\n",
                .found = "2001 loader/entries/$-6.8.1.conf $/6.8.1/linux\n",
        },
        {
                .name = "an entry that nobody saw go keeps what it names, and the directory",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1") "$/6.8.1/more 1\n",
                .modules = "6.9.1 6.8.1",
                .seen = "$/6.8.1",
                .steps = "unlink $/6.8.1/more\n",
                .found = "1201 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "what such an entry keeps is not taken as a reason to retire another one",
                .source = KERNEL("6.9.1") "loader/entries/$-6.1.1.conf -> $/shared/x\n",
                .target = KERNEL("6.9.1") "loader/entries/$-6.1.1.conf -> $/shared/x\n"
                                          "loader/entries/$-6.8.1.conf -> $/shared/x\n"
                                          "$/shared/x 9\n",
                .modules = "6.9.1 6.8.1",
                .seen = "$/shared",
                .found = "2001 loader/entries/$-6.1.1.conf $/shared/x\n"
                         "1201 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "the running kernel's entry keeps what it names elsewhere",
                .source = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf -> $/shared/x\n",
                .target = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf -> $/shared/x\n"
                                          "$/shared/x 9\n",
                .modules = "6.9.1 6.8.1",
                .running = "6.8.1",
                .seen = "$/shared",
                .found = "2001 loader/entries/$-6.8.1.conf $/shared/x\n",
        },
        {
                .name = "an entry that names a UKI goes before it",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") UKI("6.8.1") "loader/entries/$-6.8.1.conf -> "
                                                       "EFI/Linux/$-6.8.1.efi\n",
                .modules = "6.9.1",
                .steps = "unlink loader/entries/$-6.8.1.conf\nunlink EFI/Linux/$-6.8.1.efi\n",
        },
        {
                .name = "a new text, and what only the old text names goes afterwards",
                .source = KERNEL("6.9.1") "loader/entries/$-6.9.1.conf -> $/6.9.1/linux\n"
                                          "$/6.9.1/initrd 0\n",
                .target = KERNEL("6.9.1") "loader/entries/$-6.9.1.conf -> $/6.9.1/linux $/old\n"
                                          "$/old 4\n",
                .modules = "6.9.1",
                .seen = "$/old",
                .steps = "put $/6.9.1/initrd\n"
                         "put loader/entries/$-6.9.1.conf\n"
                         "unlink $/old\n",
        },
        {
                .name = "an empty file does not replace one that an entry names",
                .source = KERNEL("6.9.1") KERNEL("6.8.1") "$/6.8.1/initrd 0\n",
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1 6.8.1",
                .found = "1203 $/6.8.1/initrd\n"
                         "2001 loader/entries/$-6.8.1.conf $/6.8.1/initrd\n",
        },
        {
                .name = "an entry of the source that names what is not mirrored",
                .source = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf -> vmlinuz\nvmlinuz 3\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .found = "2002 loader/entries/$-6.8.1.conf vmlinuz\n",
        },
        {
                .name = "an entry that names nothing to start",
                .source = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf ->\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .found = "2003 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "an entry that names an entry, or a leftover",
                .source = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf -> "
                                          "loader/entries/$-6.9.1.conf\n"
                                          "loader/entries/$-6.7.1.conf -> $/.bootsync-1.tmp\n"
                                          "$/.bootsync-1.tmp 5\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .found = "2001 loader/entries/$-6.7.1.conf $/.bootsync-1.tmp\n"
                         "2001 loader/entries/$-6.8.1.conf loader/entries/$-6.9.1.conf\n",
        },
        {
                .name = "an entry that names a UKI by its boot counter",
                .source = KERNEL("6.9.1") "EFI/Linux/$-6.8.1+2-1.efi 300\n"
                                          "loader/entries/$-6.8.1.conf -> "
                                          "EFI/Linux/$-6.8.1+2-1.efi\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .steps = "mkdir EFI\nmkdir EFI/Linux\nput EFI/Linux/$-6.8.1+3.efi\n",
                .found = "2001 loader/entries/$-6.8.1.conf EFI/Linux/$-6.8.1+2-1.efi\n",
        },
        {
                .name = "a UKI back on trial does not take its name from an entry that has it",
                .source = KERNEL("6.9.1") "EFI/Linux/$-6.8.1+3.efi 301\n"
                                          "loader/entries/$-6.8.1.conf -> EFI/Linux/$-6.8.1.efi\n",
                .target = KERNEL("6.9.1") UKI("6.8.1") "loader/entries/$-6.8.1.conf -> "
                                                       "EFI/Linux/$-6.8.1.efi\n",
                .modules = "6.9.1 6.8.1",
                .found = "1203 EFI/Linux/$-6.8.1.efi loader/entries/$-6.8.1.conf\n"
                         "2001 loader/entries/$-6.8.1.conf EFI/Linux/$-6.8.1.efi\n",
        },
        {
                .name = "a blessing: the new name, then the old one away",
                .source = KERNEL("6.9.1") UKI("6.8.1"),
                .target = "$/6.9.1/linux 100\n$/6.9.1/initrd 200\n"
                          "loader/entries/$-6.9.1+2-1.conf -> $/6.9.1/linux $/6.9.1/initrd\n"
                          "EFI/Linux/$-6.8.1+0-3.efi 300="
                          "EFI/Linux/" MID "-6.8.1.efi\n",
                .modules = "6.9.1 6.8.1",
                .steps = "put EFI/Linux/$-6.8.1.efi\n"
                         "unlink EFI/Linux/$-6.8.1+0-3.efi\n"
                         "put loader/entries/$-6.9.1.conf\n"
                         "unlink loader/entries/$-6.9.1+2-1.conf\n",
        },
        {
                .name = "counting is local, and a good entry does not go back on trial",
                .source = "$/6.9.1/linux 100\n$/6.8.1/linux 100\n"
                          "loader/entries/$-6.9.1+2-1.conf -> $/6.9.1/linux\n"
                          "loader/entries/$-6.8.1+3.conf -> $/6.8.1/linux\n",
                .target = "$/6.9.1/linux 100\n$/6.8.1/linux 100\n"
                          "loader/entries/$-6.9.1.conf -> $/6.9.1/linux\n"
                          "loader/entries/$-6.8.1+1-2.conf -> $/6.8.1/linux\n",
                .modules = "6.9.1 6.8.1",
        },
        {
                .name = "a new entry that is half-tried starts afresh",
                .source = "$/6.9.1/linux 100\nloader/entries/$-6.9.1+2-1.conf -> $/6.9.1/linux\n",
                .target = "$/6.9.1/linux 100\nloader/entries/\n",
                .modules = "6.9.1",
                .steps = "put loader/entries/$-6.9.1+3.conf\n",
        },
        {
                .name = "two forms are made one: the target's blessed one",
                .source = "$/6.9.1/linux 100\nloader/entries/$-6.9.1+2-1.conf -> $/6.9.1/linux\n",
                .target = "$/6.9.1/linux 100\nloader/entries/$-6.9.1.conf -> $/6.9.1/linux\n"
                          "loader/entries/$-6.9.1+1-2.conf -> $/6.9.1/linux\n",
                .modules = "6.9.1",
                .steps = "unlink loader/entries/$-6.9.1+1-2.conf\n",
        },
        {
                .name = "two counted forms are made a fresh one",
                .source = "$/6.9.1/linux 100\nloader/entries/$-6.9.1+2-1.conf -> $/6.9.1/linux\n",
                .target = "$/6.9.1/linux 100\nloader/entries/$-6.9.1+2-1.conf -> $/6.9.1/linux\n"
                          "loader/entries/$-6.9.1+1-2.conf -> $/6.9.1/linux\n",
                .modules = "6.9.1",
                .steps = "put loader/entries/$-6.9.1+3.conf\n"
                         "unlink loader/entries/$-6.9.1+1-2.conf\n"
                         "unlink loader/entries/$-6.9.1+2-1.conf\n",
        },
        {
                .name = "leftovers go first, wherever they are",
                .source = KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") "$/6.9.1/.bootsync-1.tmp 7\n"
                                          "loader/entries/.bootsync-22.tmp 7\n"
                                          ".bootsync-3.tmp 7\n"
                                          "other/.bootsync-4.tmp 7\n",
                .modules = "6.9.1",
                .incomplete = true,
                .steps = "unlink .bootsync-3.tmp\n"
                         "unlink $/6.9.1/.bootsync-1.tmp\n"
                         "unlink loader/entries/.bootsync-22.tmp\n",
        },
        {
                .name = "a file in the way that an entry names stays: nobody saw it go",
                .source = KERNEL("6.9.1") "$/x/y 5\n",
                .target = KERNEL("6.9.1") "$/x 5\nloader/entries/$-6.8.1.conf -> $/x\n",
                .modules = "6.9.1 6.8.1",
                .found = "1203 $/x\n1201 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "a directory in the way that an entry names stays: a flipped bit makes a "
                        "file",
                .source = KERNEL("6.9.1") "$/6.8.1 0\n",
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1 6.8.1",
                .found = "1203 $/6.8.1\n1201 $/6.8.1/initrd\n1201 $/6.8.1/linux\n"
                         "1201 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "an initrd is made anew: the target keeps its own, and the entry",
                .source = KERNEL(
                        "6.9.1") "$/6.8.1/linux 100\n"
                                 "loader/entries/$-6.8.1.conf -> $/6.8.1/linux $/6.8.1/initrd\n",
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.9.1 6.8.1",
                .seen = "$/6.8.1/initrd",
                .found = "2001 loader/entries/$-6.8.1.conf $/6.8.1/initrd\n",
        },
        {
                .name = "a file in the way of a directory",
                .source = KERNEL("6.9.1") "$/x/y 5\n",
                .target = KERNEL("6.9.1") "$/x 5\nloader/entries/$-6.8.1.conf -> $/x\n",
                .modules = "6.9.1 6.8.1",
                .seen = "loader/entries/$-6.8.1.conf",
                .steps = "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/x\n"
                         "mkdir $/x\n"
                         "put $/x/y\n",
        },
        {
                .name = "a directory in the way of a file, with a leftover in it",
                .source = KERNEL("6.9.1") "$/x 5\n",
                .target = KERNEL("6.9.1") "$/x/y/z 5\n$/x/.bootsync-1.tmp 5\n",
                .modules = "6.9.1",
                .steps = "unlink $/x/.bootsync-1.tmp\n"
                         "unlink $/x/y/z\n"
                         "rmdir $/x/y\n"
                         "rmdir $/x\n"
                         "put $/x\n",
        },
        {
                .name = "an entry that a clash had broken stays, and is whole again",
                .source = KERNEL("6.9.1") KERNEL("6.8.1"),
                .target = KERNEL("6.9.1") "$/6.8.1/linux/x 5\n$/6.8.1/initrd 200\n"
                                          "loader/entries/$-6.8.1.conf -> "
                                          "$/6.8.1/linux $/6.8.1/initrd\n",
                .modules = "6.9.1",
                .steps = "unlink $/6.8.1/linux/x\nrmdir $/6.8.1/linux\nput $/6.8.1/linux\n",
        },
        {
                .name = "what is in the way stays if it is all that boots",
                .source = KERNEL("6.9.1") "$/x/y 5\n",
                .target = "$/x 5\nloader/entries/$-6.8.1.conf -> $/x\n",
                .modules = "6.9.1 6.8.1",
                .steps = "mkdir $/6.9.1\n"
                         "put $/6.9.1/initrd\n"
                         "put $/6.9.1/linux\n"
                         "put loader/entries/$-6.9.1.conf\n",
                .found = "1203 $/x\n1201 loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "what is in the way stays if it is the running kernel's",
                .source = KERNEL("6.9.1") "$/x/y 5\n$/6.8.1/z/a 1\n",
                .target = KERNEL("6.9.1") "$/x 5\n$/6.8.1/z 1\n",
                .modules = "6.9.1",
                .running = "6.8.1",
                .found = "1203 $/6.8.1/z\n1203 $/x\n",
        },
        {
                .name = "no room: the stale kernel goes first",
                .source = KERNEL("6.10.1") KERNEL("6.9.1"),
                .target = KERNEL("6.9.1") KERNEL("6.8.1"),
                .modules = "6.10.1 6.9.1",
                .free = 250,
                .steps = "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/6.8.1/initrd\n"
                         "unlink $/6.8.1/linux\n"
                         "rmdir $/6.8.1\n"
                         "mkdir $/6.10.1\n"
                         "put $/6.10.1/initrd\n"
                         "put $/6.10.1/linux\n"
                         "put loader/entries/$-6.10.1.conf\n",
        },
        {
                .name = "no room, and what would make it is all that boots",
                .source = KERNEL("6.10.1"),
                .target = KERNEL("6.8.1"),
                .modules = "6.10.1",
                .free = 250,
                .found = "1001\n",
        },
        {
                .name = "the same, as far as can be seen",
                .source = KERNEL("6.10.1"),
                .target = "loader/entries/$-6.8.1.conf -> vmlinuz\nvmlinuz 9\n$/6.8.1/x 500\n",
                .modules = "6.10.1",
                .free = 250,
                .found = "1001\n",
        },
        {
                .name = "no room: the file that the old text of an entry names waits with its "
                        "folder",
                .source = KERNEL("6.10.1") KERNEL("6.9.1") "loader/entries/$-6.9.1.conf -> "
                                                           "$/6.9.1/linux\n",
                .target = KERNEL("6.9.1") "loader/entries/$-6.9.1.conf -> $/6.9.1/linux $/o/n/a\n"
                                          "$/o/n/a 1\n$/o/b 500\n$/o/m/c 1\n",
                .modules = "6.10.1 6.9.1",
                .seen = "$/o",
                .free = 250,
                .steps = "unlink $/o/b\n"
                         "unlink $/o/m/c\n"
                         "rmdir $/o/m\n"
                         "mkdir $/6.10.1\n"
                         "put $/6.10.1/initrd\n"
                         "put $/6.10.1/linux\n"
                         "put loader/entries/$-6.10.1.conf\n"
                         "put loader/entries/$-6.9.1.conf\n"
                         "unlink $/o/n/a\n"
                         "rmdir $/o/n\n"
                         "rmdir $/o\n",
        },
        {
                .name = "no room for a blessing, all else is done",
                .source = KERNEL("6.9.1") UKI("6.8.1") "$/new 20\n",
                .target =
                        KERNEL("6.9.1") "EFI/Linux/$-6.8.1+3.efi 300=EFI/Linux/" MID "-6.8.1.efi\n",
                .modules = "6.9.1 6.8.1",
                .free = 250,
                .steps = "put $/new\n",
                .found = "1001\n",
        },
        {
                .name = "no room for a blessing that an entry relies on",
                .source = KERNEL("6.9.1") UKI("6.8.1") "loader/entries/$-6.8.1.conf -> "
                                                       "EFI/Linux/$-6.8.1.efi\n",
                .target =
                        KERNEL("6.9.1") "EFI/Linux/$-6.8.1+3.efi 300=EFI/Linux/" MID "-6.8.1.efi\n",
                .modules = "6.9.1 6.8.1",
                .free = 250,
                .found = "1001\n",
        },
        {
                .name = "no room, but for the leftovers",
                .source = KERNEL("6.9.1") "$/new 2000\n",
                .target = KERNEL("6.9.1") "$/.bootsync-1.tmp 7\n",
                .modules = "6.9.1",
                .free = 250,
                .steps = "unlink $/.bootsync-1.tmp\n",
                .found = "1001\n",
        },
        {
                .name = "an empty file that is put makes no entry complete",
                .source =
                        "loader/entries/$-6.9.1.conf -> $/6.9.1/lin:ux\n$/6.9.1/lin:ux 1\n$/m 0\n",
                .target = KERNEL("6.8.1") "loader/entries/$-6.7.1.conf -> $/m\n",
                .modules = "6.9.1 6.7.1",
                .steps = "mkdir $/6.9.1\nput $/m\n",
                .found = "2004 $/6.9.1/lin:ux\n"
                         "2001 loader/entries/$-6.9.1.conf $/6.9.1/lin:ux\n"
                         "1201 loader/entries/$-6.7.1.conf\n"
                         "1101\n",
        },
        {
                .name = "both forms of an entry go before what it names, and it comes back as one",
                .source = KERNEL("6.9.1") "$/x/y 1\nloader/entries/$-6.8.1.conf -> $/x/y\n",
                .target = KERNEL("6.9.1") "$/x 1\nloader/entries/$-6.8.1.conf -> $/x\n"
                                          "loader/entries/$-6.8.1+3.conf -> $/x\n",
                .modules = "6.9.1 6.8.1",
                .prune = true,
                .steps = "unlink loader/entries/$-6.8.1+3.conf\n"
                         "unlink loader/entries/$-6.8.1.conf\n"
                         "unlink $/x\n"
                         "mkdir $/x\n"
                         "put $/x/y\n"
                         "put loader/entries/$-6.8.1.conf\n",
        },
        {
                .name = "of two forms on the source the blessed one counts, and that is broken",
                .source = KERNEL("6.9.1") "loader/entries/$-6.8.1.conf -> $/gone\n"
                                          "loader/entries/$-6.8.1+3.conf -> $/6.9.1/linux\n",
                .target = KERNEL("6.9.1"),
                .modules = "6.9.1",
                .found = "2001 loader/entries/$-6.8.1.conf $/gone\n",
        },
        {
                .name = "what is in the way makes room, just enough",
                .source = KERNEL("6.9.1") "$/x/y 490\n",
                .target = KERNEL("6.9.1") "$/x 490\n",
                .modules = "6.9.1",
                .free = 3,
                .steps = "unlink $/x\nmkdir $/x\nput $/x/y\n",
        },
        {
                .name = "one byte less",
                .source = KERNEL("6.9.1") "$/x/y 490\n",
                .target = KERNEL("6.9.1") "$/x 490\n",
                .modules = "6.9.1",
                .free = 2,
                .found = "1001\n",
        },
        {
                .name = "an entry that went before it is put gives its room back once",
                .source = KERNEL("6.9.1") "$/x/y 1\n$/z 1\n"
                                          "loader/entries/$-6.8.1.conf -> $/z $/z $/z\n"
                                          "loader/entries/$-6.8.2.conf -> $/z $/z $/z\n",
                .target = KERNEL("6.9.1") "$/x 1\nloader/entries/$-6.8.1.conf -> $/x $/x $/x\n"
                                          "$/z 1\n",
                .prune = true,
                .modules = "6.9.1 6.8.1 6.8.2",
                .free = 50,
                .found = "1001\n",
        },
};

static void expect_lines(const char *name, const char *what, const struct strlist *lines,
                         const char *expected) {
        _cleanup_free_ char *wanted = fixture_expand(expected ? expected : "");
        _cleanup_buf_ struct buf got = BUF_INIT;

        for (size_t i = 0; i < lines->n; i++)
                assert_int_equal(buf_appendf(&got, "%s\n", lines->items[i]), 0);
        if (strcmp(buf_string(&got), wanted) == 0)
                return;
        print_message("%s: %s:\n%s-- instead of:\n%s", name, what, buf_string(&got), wanted);
        fail();
}

static struct world describe_world(const struct plan_case *c) {
        struct world world = world_new(c->name, "EFI/BOOT");

        disk_describe(&world.source, c->source);
        disk_describe(&world.target, c->target);
        world.modules = fixture_words(c->modules);
        world.seen = fixture_words(c->seen ? c->seen : "");
        world.running = c->running ? c->running : "";
        world.source_complete = !c->incomplete;
        world.prune = c->prune;
        world.fat = !c->ext4;
        if (c->free > 0) {
                world.free = c->free;
                world.cluster = 1;
        }
        return world;
}

static void test_table(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_world_ struct world world = describe_world(&cases[i]);
                _cleanup_outcome_ struct outcome outcome;

                world_run(&world, &outcome);
                expect_lines(cases[i].name, "steps", &outcome.steps, cases[i].steps);
                expect_lines(cases[i].name, "findings", &outcome.found, cases[i].found);
        }
}

/* ---- The generated worlds ---- */

static const enum finding_kind findings_to_meet[] = {
        FINDING_TARGET_FULL,      FINDING_LAST_ENTRY,
        FINDING_RUNNING_KERNEL,   FINDING_EXTRA,
        FINDING_IN_THE_WAY,       FINDING_SOURCE_NOT_BOOTABLE,
        FINDING_ENTRY_INCOMPLETE, FINDING_BAD_NAME,
        FINDING_ENTRY_OUTSIDE,    FINDING_ENTRY_NO_KERNEL,
};

static const char *const mood_names[MOOD_N] = {
        [MOOD_NORMAL] = "normal order",
        [MOOD_RETIRES_FIRST] = "retires first",
        [MOOD_PARTLY] = "all but renames",
        [MOOD_FULL] = "full",
};

struct tally {
        size_t features[FEATURE_N];
        size_t moods[MOOD_N];
        size_t findings[ELEMENTSOF(findings_to_meet)];
        size_t equal;
        size_t busy;  /* cases with at least one step */
        size_t later; /* cases that took more than one round */
};

static void count(struct tally *tally, const bool *has, const struct outcome *outcome) {
        for (size_t i = 0; i < FEATURE_N; i++)
                tally->features[i] += has[i];
        for (size_t k = 0; k < ELEMENTSOF(findings_to_meet); k++) {
                bool met = false;

                for (size_t i = 0; i < outcome->found.n; i++)
                        met |= atoi(outcome->found.items[i]) == (int) findings_to_meet[k];
                tally->findings[k] += met;
        }
        tally->moods[outcome->mood]++;
        tally->equal += outcome->equal;
        tally->busy += outcome->n_steps > 0;
        tally->later += outcome->rounds > 1;
}

static void expect_some(const char *name, size_t n) {
        print_message("%6zu %s\n", n, name);
        if (n == 0)
                fail_msg("no case of: %s", name);
}

static void check_tally(const struct tally *tally) {
        for (size_t i = 0; i < FEATURE_N; i++)
                expect_some(feature_names[i], tally->features[i]);
        for (size_t i = 0; i < MOOD_N; i++)
                expect_some(mood_names[i], tally->moods[i]);
        for (size_t i = 0; i < ELEMENTSOF(findings_to_meet); i++) {
                char name[32];

                snprintf(name, sizeof(name), "finding %d", (int) findings_to_meet[i]);
                expect_some(name, tally->findings[i]);
        }
        expect_some("equal at the end", tally->equal);
        expect_some("with steps", tally->busy);
        expect_some("in several rounds", tally->later);
}

static void run_seed(uint64_t seed, struct tally *tally) {
        bool has[FEATURE_N] = { 0 };
        _cleanup_world_ struct world world = world_generate(seed, has);
        _cleanup_outcome_ struct outcome outcome;
        char name[64];

        snprintf(name, sizeof(name), "PLAN_SEED=%llu", (unsigned long long) seed);
        world.name = name;
        world_run(&world, &outcome);
        count(tally, has, &outcome);
}

static uint64_t number_from(const char *variable, uint64_t otherwise) {
        const char *text = getenv(variable);

        return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_generated(void **state) {
        uint64_t seed = number_from("PLAN_SEED", 0);
        struct tally tally = { 0 };

        (void) state;
        if (seed > 0) {
                run_seed(seed, &tally);
                return;
        }
        for (seed = 1; seed <= number_from("PLAN_CASES", CASES); seed++)
                run_seed(seed, &tally);
        check_tally(&tally);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_generated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
