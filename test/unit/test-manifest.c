/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manifest holds what was put into it, in its order, whatever the order of the calls: by cases,
 * and by random calls against a plain list.
 */
#include "fixture.h"

#include "base/relpath.h"

#include <string.h>

static const struct manifest_stat file = { ITEM_FILE, 10, 20 };
static const struct manifest_stat directory = { ITEM_DIR, 0, 0 };

static void set(struct manifest *manifest, const char *path, enum scope_class class) {
        assert_int_equal(manifest_set(manifest, path, class, &file, NULL, 0), 0);
}

static void check_paths(const struct manifest *manifest, const char *expected) {
        _cleanup_strlist_ struct strlist words = fixture_words(expected);

        assert_int_equal(manifest->n, words.n);
        for (size_t i = 0; i < words.n; i++)
                assert_string_equal(manifest->items[i].path, words.items[i]);
}

/* A directory, what is in it, and only then its neighbours. */
static void test_order(void **state) {
        static const char *const paths[] = {
                "a-b", "a/b", "a", "a.b", "a/b/c", "A0", "a+b", "a/b-c"
        };
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                set(&manifest, paths[i], SCOPE_PAYLOAD);
        check_paths(&manifest, "a a/b a/b/c a/b-c a+b a-b a.b A0");
        assert_ptr_equal(manifest_find(&manifest, "A/B"), &manifest.items[1]);
        assert_null(manifest_find(&manifest, "a/c"));
        assert_null(manifest_find(&manifest, ""));
        assert_int_equal(manifest_lower_bound(&manifest, "a/b-d"), 4);
        assert_int_equal(manifest_lower_bound(&manifest, "b"), manifest.n);
        assert_int_equal(manifest_lower_bound(&manifest, ""), 0);
}

static void test_replace(void **state) {
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;

        (void) state;
        set(&manifest, "a/b", SCOPE_PAYLOAD);
        assert_int_equal(manifest_set(&manifest, "A/B", SCOPE_PAYLOAD, &directory, NULL, 0), 0);
        assert_int_equal(manifest.n, 1);
        assert_string_equal(manifest.items[0].path, "A/B");
        assert_int_equal(manifest.items[0].type, ITEM_DIR);
}

static void test_entry(void **state) {
        static const char text[] = "linux /k\ninitrd /i\n";
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        const struct item *item;

        (void) state;
        assert_int_equal(manifest_set(&manifest, "loader/entries/a+2-1.conf", SCOPE_ENTRY, &file,
                                      text, strlen(text)),
                         0);
        item = &manifest.items[0];
        assert_string_equal(item->key, "loader/entries/a.conf");
        assert_true(item->counter.present);
        assert_int_equal(item->counter.left, 2);
        assert_int_equal(item->counter.done, 1);
        assert_true(item->startable);
        assert_int_equal(item->refs.n, 2);
        assert_string_equal(item->refs.items[1], "i");
        assert_true(item_is_entry(item));

        assert_int_equal(
                manifest_set(&manifest, "loader/entries/a.conf", SCOPE_ENTRY, &file, "x", 1), 0);
        assert_false(manifest_find(&manifest, "loader/entries/a.conf")->startable);
        assert_int_equal(manifest_set(&manifest, "u.efi", SCOPE_UKI, &file, NULL, 0), 0);
        assert_true(manifest_find(&manifest, "u.efi")->startable);
}

/* A counter's form on what is no entry is part of the name. */
static void test_no_counter(void **state) {
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;

        (void) state;
        set(&manifest, "p/a+3.efi", SCOPE_PAYLOAD);
        assert_int_equal(manifest_set(&manifest, "e/a+3.conf", SCOPE_PAYLOAD, &directory, NULL, 0),
                         0);
        for (size_t i = 0; i < manifest.n; i++) {
                assert_ptr_equal(manifest.items[i].key, manifest.items[i].path);
                assert_false(manifest.items[i].counter.present);
                assert_ptr_equal(manifest_find(&manifest, manifest.items[i].path),
                                 &manifest.items[i]);
        }
        manifest_drop(&manifest, "p/a+3.efi");
        check_paths(&manifest, "e/a+3.conf");
}

static void test_forms(void **state) {
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        const struct item *forms;
        size_t n;

        (void) state;
        set(&manifest, "e/b.conf", SCOPE_ENTRY);
        set(&manifest, "e/a.conf", SCOPE_ENTRY);
        set(&manifest, "e/a+3.conf", SCOPE_ENTRY);
        set(&manifest, "e/a+2-1.conf", SCOPE_ENTRY);
        check_paths(&manifest, "e/a+2-1.conf e/a+3.conf e/a.conf e/b.conf");

        forms = manifest_forms(&manifest, "E/A.conf", &n);
        assert_ptr_equal(forms, &manifest.items[0]);
        assert_int_equal(n, 3);
        assert_string_equal(item_best_form(forms, n)->path, "e/a.conf");
        assert_string_equal(item_best_form(forms, 2)->path, "e/a+2-1.conf");
        assert_null(manifest_forms(&manifest, "e/c.conf", &n));
        assert_int_equal(n, 0);
        assert_null(manifest_forms(&manifest, "e/a+3.conf", NULL));

        assert_string_equal(manifest_find(&manifest, "E/A+3.CONF")->path, "e/a+3.conf");
        assert_null(manifest_find(&manifest, "e/a+1.conf"));
        assert_null(manifest_find(&manifest, "e/b+1.conf"));
}

static void test_drop(void **state) {
        static const struct {
                const char *drop, *left;
        } table[] = {
                { "x", "a a/b a/b/c a-b e/a+2-1.conf e/a+3.conf e/a.conf e/b+1.conf" },
                { "a", "a-b e/a+2-1.conf e/a+3.conf e/a.conf e/b+1.conf" },
                { "A/B", "a a-b e/a+2-1.conf e/a+3.conf e/a.conf e/b+1.conf" },
                { "e", "a a/b a/b/c a-b" },
                { "e/a.conf", "a a/b a/b/c a-b e/a+2-1.conf e/a+3.conf e/b+1.conf" },
                { "e/a+3.conf", "a a/b a/b/c a-b e/a+2-1.conf e/a.conf e/b+1.conf" },
                { "e/a+2-1.conf", "a a/b a/b/c a-b e/a+3.conf e/a.conf e/b+1.conf" },
                { "e/a+1.conf", "a a/b a/b/c a-b e/a+2-1.conf e/a+3.conf e/a.conf e/b+1.conf" },
                { "e/b.conf", "a a/b a/b/c a-b e/a+2-1.conf e/a+3.conf e/a.conf e/b+1.conf" },
                { "", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
                _cleanup_strlist_ struct strlist all = fixture_words(table[0].left);

                for (size_t k = 0; k < all.n; k++)
                        set(&manifest, all.items[k],
                            all.items[k][0] == 'e' ? SCOPE_ENTRY : SCOPE_PAYLOAD);
                manifest_drop(&manifest, table[i].drop);
                check_paths(&manifest, table[i].left);
        }
}

static void test_copy(void **state) {
        static const char text[] = "linux /k\n";
        _cleanup_manifest_ struct manifest a = MANIFEST_INIT, b = MANIFEST_INIT;

        (void) state;
        assert_int_equal(manifest_set(&a, "e/a+3.conf", SCOPE_ENTRY, &file, text, strlen(text)), 0);
        assert_int_equal(manifest_set_item(&b, &a.items[0]), 0);
        assert_int_equal(manifest_set_item(&b, &a.items[0]), 0);
        manifest_done(&a);
        assert_int_equal(b.n, 1);
        assert_string_equal(b.items[0].key, "e/a.conf");
        assert_string_equal(b.items[0].refs.items[0], "k");
        assert_int_equal(b.items[0].counter.left, 3);
        assert_int_equal(b.items[0].size, file.size);
        assert_int_equal(b.items[0].mtime, file.mtime);
        assert_true(b.items[0].startable);
}

/* ---- Random calls ---- */

static char *random_path(struct random *random) {
        static const char *const parts[] = { "a", "a-b", "B", "c+d", "e" };
        static const char *const names[] = { "x.conf", "x+3.conf", "x+2-1.conf", "y.efi", "z" };
        char *path;

        assert_true(asprintf(&path, "%s/%s%s%s", parts[random_below(random, ELEMENTSOF(parts))],
                             random_chance(random, 50) ? "sub" : "",
                             random_chance(random, 50) ? "/" : "-",
                             names[random_below(random, ELEMENTSOF(names))]) > 0);
        if (!relpath_valid(path)) {
                free(path);
                return strdup("plain");
        }
        return path;
}

static void drop_from_list(struct strlist *list, const char *path) {
        size_t kept = 0;

        for (size_t i = 0; i < list->n; i++)
                if (relpath_below(list->items[i], path))
                        free(list->items[i]);
                else
                        list->items[kept++] = list->items[i];
        list->n = kept;
}

static void check_against(const struct manifest *manifest, const struct strlist *list) {
        assert_int_equal(manifest->n, list->n);
        for (size_t i = 0; i < list->n; i++)
                assert_non_null(manifest_find(manifest, list->items[i]));
        for (size_t i = 1; i < manifest->n; i++) {
                const struct item *a = &manifest->items[i - 1], *b = &manifest->items[i];
                int order = relpath_compare(a->key, b->key);

                assert_true(order < 0 || (order == 0 && relpath_compare(a->path, b->path) < 0));
        }
}

static void test_random(void **state) {
        struct random random = { 4711 };
        _cleanup_manifest_ struct manifest manifest = MANIFEST_INIT;
        _cleanup_strlist_ struct strlist list = STRLIST_INIT;
        size_t drops = 0;

        (void) state;
        for (size_t i = 0; i < 20000; i++) {
                _cleanup_free_ char *path = random_path(&random);
                const char *name = relpath_name(path);

                if (random_chance(&random, 40)) {
                        if (random_chance(&random, 20))
                                path[relpath_dir_length(path)] = '\0';
                        drops += manifest.n;
                        manifest_drop(&manifest, path);
                        drops -= manifest.n;
                        drop_from_list(&list, path);
                } else if (!strlist_contains(&list, path)) {
                        set(&manifest, path, name[0] == 'x' ? SCOPE_ENTRY : SCOPE_PAYLOAD);
                        assert_int_equal(strlist_add(&list, path), 0);
                }
                check_against(&manifest, &list);
        }
        assert_true(drops > 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order), cmocka_unit_test(test_replace),
                cmocka_unit_test(test_entry), cmocka_unit_test(test_no_counter),
                cmocka_unit_test(test_forms), cmocka_unit_test(test_drop),
                cmocka_unit_test(test_copy),  cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
