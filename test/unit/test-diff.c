/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The three-way comparison as a table; a random merge against a search for each key; and the name
 * that a target's file shall have, for every combination of boot counters.
 */
#include "fixture.h"

#include "base/relpath.h"
#include "core/diff.h"

#include <string.h>

static const char *const kind_names[] = {
        [CHANGE_ADD] = "add",       [CHANGE_COMPARE] = "compare", [CHANGE_REPLACE] = "replace",
        [CHANGE_RENAME] = "rename", [CHANGE_SAME] = "same",       [CHANGE_REMOVE] = "remove",
        [CHANGE_CLASH] = "clash",
};

struct sides {
        struct scope scope;
        struct disk source_disk, target_disk;
        struct manifest source, target;
        struct diff diff;
};

static void sides_done(struct sides *sides) {
        diff_done(&sides->diff);
        manifest_done(&sides->source);
        manifest_done(&sides->target);
        disk_done(&sides->source_disk);
        disk_done(&sides->target_disk);
        scope_done(&sides->scope);
}
#define _cleanup_sides_ _cleanup_(sides_done)

static struct sides make_sides(const char *source, const char *target) {
        struct sides sides = { .scope = fixture_scope("EFI/BOOT") };

        disk_describe(&sides.source_disk, source);
        disk_describe(&sides.target_disk, target);
        disk_scan(&sides.source_disk, &sides.scope, &sides.source);
        disk_scan(&sides.target_disk, &sides.scope, &sides.target);
        return sides;
}

static void build(struct sides *sides, const struct baseline *baseline) {
        diff_done(&sides->diff);
        assert_int_equal(diff_build(&sides->source, &sides->target, baseline, &sides->diff), 0);
}

/* ---- Which kind ---- */

static void test_kinds(void **state) {
        static const struct {
                const char *source, *target, *kind; /* "": no change */
        } table[] = {
                { "$/a 1\n", "$/\n", "add" },
                { "$/a/\n", "$/\n", "add" },
                { "$/\n", "$/a 1\n", "remove" },
                { "$/\n", "$/a/\n", "remove" },
                { "$/\n", "@$/a\n", "remove" },
                { "$/a 1\n", "$/a 1\n", "compare" },
                { "$/a 1\n", "$/A 1\n", "compare" },
                { "$/a 0\n", "$/a 0\n", "compare" },
                { "$/a 1\n", "$/a 2\n", "replace" },
                { "$/a/\n", "$/a/\n", "" },
                { "$/a 1\n", "$/a/\n", "clash" },
                { "$/a/\n", "$/a 1\n", "clash" },
                { "$/a 1\n", "@$/a\n", "clash" },
                /* what the source cannot show is left alone */
                { "@$/a\n", "$/a 1\n", "" },
                { "@$/a\n", "$/a/\n", "" },
                { "@$/a\n", "@$/a\n", "" },
                { "@$/a\n", "$/\n", "" },
                /* leftovers and foreign files take no part */
                { "$/\n", "$/.bootsync-1.tmp 1\n", "" },
                { "$/.bootsync-1.tmp 1\n", "$/\n", "" },
                { "$/\nother 1\n", "$/\nforeign 2\n", "" },
                { "$/\nloader/entries/\n", "$/\n", "" },
                { "$/\n", "$/\nEFI/Linux/\n", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_sides_ struct sides sides = make_sides(table[i].source, table[i].target);
                const char *kind;

                build(&sides, NULL);
                assert_true(sides.diff.n <= 1);
                kind = sides.diff.n > 0 ? kind_names[sides.diff.changes[0].kind] : "";
                if (strcmp(kind, table[i].kind) != 0)
                        fail_msg("case %zu: %s instead of %s", i, kind, table[i].kind);
        }
}

/* ---- The baseline ---- */

/* The record says size 10, times 100 (source) and 200 (target). */
static void test_baseline(void **state) {
        static const struct {
                const char *name;
                uint64_t source_size, target_size;
                int64_t source_mtime, target_mtime;
                bool suspect;
                const char *kind; /* "": no change */
                bool drift;
        } table[] = {
                { "the record vouches for both", 10, 10, 100, 200, false, "", false },
                { "suspect: read it", 10, 10, 100, 200, true, "compare", false },
                { "the source was written", 10, 10, 101, 200, false, "compare", false },
                { "the source grew", 11, 10, 101, 200, false, "replace", false },
                { "the source grew, its time did not move", 11, 10, 100, 200, false, "replace",
                  false },
                { "the target was written", 10, 10, 100, 201, false, "compare", true },
                { "the target grew", 10, 11, 100, 201, false, "replace", true },
                { "the target grew, its time did not move", 10, 11, 100, 200, false, "replace",
                  true },
                { "both were written", 10, 10, 101, 201, false, "compare", false },
                { "both grew alike", 11, 11, 100, 200, false, "compare", false },
                { "suspect, and the target was written", 10, 10, 100, 201, true, "compare", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_sides_ struct sides sides = make_sides("$/a 1\n", "$/a 1\n");
                _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
                const struct record record = { .key = (char *) MID "/A",
                                               .size = 10,
                                               .source_mtime = 100,
                                               .target_mtime = 200,
                                               .suspect = table[i].suspect };
                const char *kind;

                assert_int_equal(baseline_set(&baseline, &record), 0);
                sides.source.items[1].size = table[i].source_size;
                sides.source.items[1].mtime = table[i].source_mtime;
                sides.target.items[1].size = table[i].target_size;
                sides.target.items[1].mtime = table[i].target_mtime;
                build(&sides, &baseline);
                kind = sides.diff.n > 0 ? kind_names[sides.diff.changes[0].kind] : "";
                if (strcmp(kind, table[i].kind) != 0 ||
                    (sides.diff.n > 0 && sides.diff.changes[0].drift != table[i].drift))
                        fail_msg("%s: %s", table[i].name, kind);
        }
}

/* A doubt that ends well is no drift; one that does not, is. */
static void test_settle(void **state) {
        _cleanup_sides_ struct sides sides = make_sides("$/a 1\n", "$/a 1\n");
        struct change *change;

        (void) state;
        build(&sides, NULL);
        change = &sides.diff.changes[0];
        change->drift = true;
        diff_settle(change, true);
        assert_int_equal(change->kind, CHANGE_SAME);
        assert_false(change->drift);
        change->kind = CHANGE_COMPARE;
        change->drift = true;
        diff_settle(change, false);
        assert_int_equal(change->kind, CHANGE_REPLACE);
        assert_true(change->drift);
}

/* The record vouches for the content of an entry; its name may be wrong all the same. */
static void test_vouched_rename(void **state) {
        _cleanup_sides_ struct sides sides =
                make_sides("loader/entries/$-1.conf -> x\n", "loader/entries/$-1+3.conf -> x\n");
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;

        (void) state;
        fixture_baseline_add(&baseline, &sides.source, &sides.target,
                             "loader/entries/" MID "-1.conf");
        build(&sides, &baseline);
        assert_int_equal(sides.diff.n, 1);
        assert_int_equal(sides.diff.changes[0].kind, CHANGE_RENAME);
}

/* ---- Names ---- */

/* Adds the entry in the forms that the words of text name; a blank before them, or no word at all,
 * stands for the one without a counter. */
static void add_forms(struct disk *disk, const char *text) {
        _cleanup_strlist_ struct strlist forms = fixture_words(text);
        char path[64];

        if (forms.n == 0 || text[0] == ' ')
                disk_entry(disk, "loader/entries/" MID "-1.conf", "x");
        for (size_t i = 0; i < forms.n; i++) {
                snprintf(path, sizeof(path), "loader/entries/" MID "-1%s.conf", forms.items[i]);
                disk_entry(disk, path, "x");
        }
}

/* The name that the change asks for, without what all forms have in common. */
static void expect_form(struct change *change, bool equal, const char *form) {
        _cleanup_free_ char *path = NULL, *wanted = NULL;

        diff_settle(change, equal);
        path = diff_target_path(change);
        assert_true(asprintf(&wanted, "loader/entries/" MID "-1%s.conf", form) > 0);
        assert_string_equal(path, wanted);
}

/* An entry's forms on both sides, and the name that the target's shall have: with the same text, and
 * with another one. kind: after equal content. */
static void test_target_path(void **state) {
        static const struct {
                const char *source, *target, *equal, *differs, *kind;
        } table[] = {
                { "", "", "", "", "same" },
                { "", "+3", "", "", "rename" },
                { "", "+2-1", "", "", "rename" },
                { "", "+0-3", "", "", "rename" },
                { "", " +3", "", "", "rename" },
                { "", "+3 +2-1", "", "", "rename" },
                { "+3", "", "", "+3", "same" },
                { "+3", "+3", "+3", "+3", "same" },
                { "+3", "+2-1", "+2-1", "+3", "same" },
                { "+3", "+0-3", "+0-3", "+3", "same" },
                { "+2-1", "+3", "+3", "+3", "same" },
                { "+2-1", "+2-1", "+2-1", "+3", "same" },
                { "+0-3", "+1-4", "+1-4", "+3", "same" },
                { "+2-1", "", "", "+3", "same" },
                { "+2-1", " +1-2", "", "+3", "rename" },
                { "+2-1", "+3 +2-1", "+3", "+3", "rename" },
                { "+2-1", "+0-3 +1-2", "+3", "+3", "rename" },
                { "+1-4", "+3 +2-1", "+5", "+5", "rename" },
                { "+2 +1-1", "+9", "+9", "+2", "same" }, /* two on the source: the first one */
                { " +1-1", "+9", "", "", "rename" },     /* or the blessed one */
                { "+0", "", "", "+0", "same" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_sides_ struct sides sides = { .scope = fixture_scope("") };
                struct change *change;

                add_forms(&sides.source_disk, table[i].source);
                add_forms(&sides.target_disk, table[i].target);
                disk_scan(&sides.source_disk, &sides.scope, &sides.source);
                disk_scan(&sides.target_disk, &sides.scope, &sides.target);
                build(&sides, NULL);
                assert_int_equal(sides.diff.n, 1);
                change = &sides.diff.changes[0];
                assert_int_equal(change->kind, CHANGE_COMPARE);
                expect_form(change, true, table[i].equal);
                assert_string_equal(kind_names[change->kind], table[i].kind);
                expect_form(change, false, table[i].differs);
        }
}

/* What the target has is spelled as there; what it has not, as on the source. */
static void test_spelling(void **state) {
        static const struct {
                const char *source, *target, *path;
        } table[] = {
                { "$/a 1\n", "$/A 2\n", "$/A" },
                { "$/a 1\n", "$/A/\n", "$/a" },
                { "$/a 1\n", "$/\n", "$/a" },
                { "$/\n", "$/A 1\n", "$/A" },
                { "loader/entries/$-x.conf -> a\n", "loader/entries/$-X.conf -> bb\n",
                  "loader/entries/$-X.conf" },
                { "loader/entries/$-x.conf -> a\n", "loader/entries/$-X+3.conf -> bb\n",
                  "loader/entries/$-x.conf" },
                { "loader/entries/$-x+2-1.conf -> a\n", "$/\n", "loader/entries/$-x+3.conf" },
                { "EFI/Linux/$-x+2-1.efi 1\n", "$/\n", "EFI/Linux/$-x+3.efi" },
                { "EFI/Linux/$-x.efi 1\n", "$/\n", "EFI/Linux/$-x.efi" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_sides_ struct sides sides = make_sides(table[i].source, table[i].target);
                _cleanup_free_ char *wanted = fixture_expand(table[i].path), *path = NULL;

                build(&sides, NULL);
                for (size_t k = 0; k < sides.diff.n && !path; k++)
                        if (!relpath_equal(sides.diff.changes[k].key, MID))
                                path = diff_target_path(&sides.diff.changes[k]);
                assert_string_equal(path, wanted);
        }
}

/* ---- The merge ---- */

static void fill(struct random *random, struct disk *disk) {
        static const char *const names[] = {
                MID "/a",
                MID "/a/b",
                MID "/a-b",
                MID "/A.c",
                MID "/d/e",
                MID "/d",
                "EFI/BOOT/x",
                "loader/entries/" MID "-1.conf",
                "loader/entries/" MID "-1+3.conf",
                "EFI/Linux/" MID "-2+1-1.efi",
                "foreign",
        };

        for (size_t i = 0; i < 6; i++) {
                const char *name = names[random_below(random, ELEMENTSOF(names))];

                if (random_chance(random, 20))
                        disk_mkdir(disk, name);
                else
                        disk_file(disk, name, 1 + random_below(random, 2), name);
        }
}

static const struct change *find_change(const struct diff *diff, const char *key) {
        for (size_t i = 0; i < diff->n; i++)
                if (relpath_equal(diff->changes[i].key, key))
                        return &diff->changes[i];
        return NULL;
}

static bool takes_part(const struct item *item) {
        return item->class != SCOPE_WAY;
}

/* Every key of a has the right kind of change, or rightly none. */
static void check_keys(const struct diff *diff, const struct manifest *a, const struct manifest *b,
                       enum change_kind alone) {
        for (size_t i = 0; i < a->n; i++) {
                const struct change *change = find_change(diff, a->items[i].key);
                const struct item *other = manifest_forms(b, a->items[i].key, NULL);

                if (!takes_part(&a->items[i]))
                        continue;
                if (!other || !takes_part(other)) {
                        assert_non_null(change);
                        assert_int_equal(change->kind, alone);
                        continue;
                }
                if (change)
                        assert_true(change->source && change->target);
                else
                        assert_true(a->items[i].type == ITEM_DIR && other->type == ITEM_DIR);
        }
}

static void test_merge(void **state) {
        struct random random = { 99 };

        (void) state;
        for (size_t round = 0; round < 2000; round++) {
                _cleanup_sides_ struct sides sides = { .scope = fixture_scope("EFI/BOOT") };

                fill(&random, &sides.source_disk);
                fill(&random, &sides.target_disk);
                disk_scan(&sides.source_disk, &sides.scope, &sides.source);
                disk_scan(&sides.target_disk, &sides.scope, &sides.target);
                build(&sides, NULL);
                check_keys(&sides.diff, &sides.source, &sides.target, CHANGE_ADD);
                check_keys(&sides.diff, &sides.target, &sides.source, CHANGE_REMOVE);
                for (size_t i = 1; i < sides.diff.n; i++)
                        assert_true(relpath_compare(sides.diff.changes[i - 1].key,
                                                    sides.diff.changes[i].key) < 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),       cmocka_unit_test(test_baseline),
                cmocka_unit_test(test_settle),      cmocka_unit_test(test_vouched_rename),
                cmocka_unit_test(test_target_path), cmocka_unit_test(test_spelling),
                cmocka_unit_test(test_merge),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
