/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount tables, and who is who in them.
 *
 * One word a mount: PLACE=DEVICE[:OPTION]…, PLACE being a member's letter or '/' for ROOT; options:
 * a file system type, "ro", "sub" (a subtree), "uN" (partition GUID N; default: as the device).
 * Expected: the active letter ('-': none), then for each existing member its letter, capital if it
 * is mounted, and for a mounted one the device that counts.
 */
#include "fixture.h"

#include "base/buf.h"
#include "core/roles.h"

#include <string.h>

static struct roles_mount read_mount(char *word) {
        struct roles_mount mount = { .whole = true, .fstype = "vfat" };
        char *save = NULL, *option;

        mount.member = word[0] == '/' ? 0 : word[0];
        option = strtok_r(word + 2, ":", &save);
        mount.devno = strtoull(option, NULL, 10);
        snprintf(mount.uuid, sizeof(mount.uuid), "%s", option);
        while ((option = strtok_r(NULL, ":", &save))) {
                if (strcmp(option, "ro") == 0)
                        mount.read_only = true;
                else if (strcmp(option, "sub") == 0)
                        mount.whole = false;
                else if (option[0] == '#')
                        mount.id = atoi(option + 1);
                else if (option[0] == 'u')
                        snprintf(mount.uuid, sizeof(mount.uuid), "%s", option + 1);
                else
                        snprintf(mount.fstype, sizeof(mount.fstype), "%s", option);
        }
        return mount;
}

static void assign(const char *table, const char *directories, struct roles *ret_roles,
                   struct findings *findings) {
        _cleanup_strlist_ struct strlist words = fixture_words(table);
        struct roles_mount mounts[8];
        bool exists[ROLES_MEMBERS] = { false };

        assert_true(words.n <= ELEMENTSOF(mounts));
        for (size_t i = 0; i < words.n; i++)
                mounts[i] = read_mount(words.items[i]);
        for (; *directories; directories++)
                exists[*directories - 'a'] = true;
        assert_int_equal(roles_assign(mounts, words.n, exists, ret_roles, findings), 0);
}

static void describe(const struct roles *roles, const struct findings *findings, struct buf *text) {
        assert_int_equal(buf_appendf(text, "%c", roles->active ? roles->active : '-'), 0);
        for (size_t i = 0; i < ROLES_MEMBERS; i++) {
                const struct roles_member *member = &roles->members[i];

                if (member->mounted)
                        assert_int_equal(buf_appendf(text, " %c%u", (char) ('A' + i),
                                                     (unsigned) member->mount.devno),
                                         0);
                else if (member->exists)
                        assert_int_equal(buf_appendf(text, " %c", (char) ('a' + i)), 0);
        }
        for (size_t i = 0; i < findings->n; i++)
                assert_int_equal(buf_appendf(text, " !%d%s%s", (int) findings->items[i].kind,
                                             findings->items[i].path, findings->items[i].other),
                                 0);
}

static const struct {
        const char *name, *mounts, *directories, *expected;
} cases[] = {
        { "two members", "a=1 b=2 /=1", "", "a A1 B2" },
        { "the order of the table does not matter", "/=2 a=1 b=2", "", "b A1 B2" },
        { "a missing member", "a=1 /=1", "abc", "a A1 b c" },
        { "ROOT is not mounted", "a=1 b=2", "", "- A1 B2 !101" },
        { "nothing at all", "", "ab", "- a b !101" },
        { "ROOT is an automount", "a=1 /=9:autofs", "", "- A1 !102" },
        { "ROOT was an automount and is mounted", "a=1 /=9:autofs /=1", "", "a A1" },
        { "ROOT is another file system", "a=1 /=7:ext4", "", "- A1 !201ext4" },
        { "ROOT is covered", "a=1 /=1 /=7:ext4", "", "- A1 !201ext4" },
        { "ROOT is a subtree of the member", "a=1 /=1:sub", "", "- A1 !201vfat" },
        { "of two mounts on a member the last one counts", "a=1 b=2 b=3 /=1", "", "a A1 B3" },
        { "the active member's ESP is covered", "a=1 a=5 b=2 /=1", "", "a A1 B2" },
        { "the active member is covered by an automount", "a=1 a=5:autofs b=2 /=1", "", "a A1 B2" },
        { "the active one lies on top", "a=5 a=1 b=2 /=1", "", "a A1 B2" },
        { "another member is covered by an automount", "a=1 b=2 b=9:autofs /=1", "", "a A1 b" },
        { "an automount that was triggered", "a=1 b=9:autofs b=2 /=1", "", "a A1 B2" },
        { "an automount that nobody triggered", "a=1 b=9:autofs /=1", "", "a A1 b" },
        { "a subtree is no member", "a=1 b=2:sub /=1", "", "a A1 b" },
        { "a subtree of ROOT's device is no active member", "a=1:sub b=2 /=1", "",
          "- a B2 !201vfat" },
        { "a subtree covers a member", "a=1 b=2 b=2:sub /=1", "", "a A1 b" },
        { "one device at two members", "a=1 b=1 /=1", "", "a A1 B1 !202ab" },
        { "one device at two targets", "a=1 b=2 c=2 /=1", "", "a A1 B2 C2 !202bc" },
        { "one GUID on two devices", "a=1 b=2:u7 c=3:u7 /=1", "", "a A1 B2 C3 !203bc" },
        { "one GUID, other case", "a=1 b=2:uaB c=3:uAb /=1", "", "a A1 B2 C3 !203bc" },
        { "GUIDs that nobody knows are not alike", "a=1 b=2:u c=3:u /=1", "", "a A1 B2 C3" },
        { "the same at every pair", "a=1 b=1 c=1 /=1", "", "a A1 B1 C1 !202ab !202ac !202bc" },
        { "told even if ROOT is not mounted", "a=1 b=1", "", "- A1 B1 !101 !202ab" },
        { "the last letter", "z=1 y=2 /=1", "", "z Y2 Z1" },
};

static void test_assign(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_findings_ struct findings findings = FINDINGS_INIT;
                _cleanup_buf_ struct buf text = BUF_INIT;
                struct roles roles;

                assign(cases[i].mounts, cases[i].directories, &roles, &findings);
                describe(&roles, &findings, &text);
                if (strcmp(buf_string(&text), cases[i].expected) != 0)
                        fail_msg("%s: %s instead of %s", cases[i].name, buf_string(&text),
                                 cases[i].expected);
        }
}

static void test_find_uuid(void **state) {
        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
        struct roles roles;

        (void) state;
        assign("a=1:uAA b=2:ubb c=3:u d=4:sub:udd /=1", "e", &roles, &findings);
        assert_int_equal(roles_find_uuid(&roles, "aa"), 'a');
        assert_int_equal(roles_find_uuid(&roles, "BB"), 'b');
        assert_int_equal(roles_find_uuid(&roles, "dd"), 0);
        assert_int_equal(roles_find_uuid(&roles, "ee"), 0);
        assert_int_equal(roles_find_uuid(&roles, ""), 0);
}

/* Member b of each table is there in another way than in each other one. */
static void test_member_equal(void **state) {
        static const char *const tables[] = {
                "b=2", "b=2:#7", "b=2:ro", "b=2:sub", "b=2:u9", "b=3:u2", "b=2:ext4", "a=1",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                for (size_t k = 0; k < ELEMENTSOF(tables); k++) {
                        _cleanup_findings_ struct findings findings = FINDINGS_INIT;
                        struct roles a, b;

                        assign(tables[i], "", &a, &findings);
                        assign(tables[k], "", &b, &findings);
                        if (roles_member_equal(&a.members[1], &b.members[1]) != (i == k))
                                fail_msg("%s, %s", tables[i], tables[k]);
                }
}

/* How a place that is not mounted looked before does not matter; whether it is there does. */
static void test_member_equal_unmounted(void **state) {
        struct roles_member a = { .exists = true }, b = a, none = { 0 };

        (void) state;
        b.mount.devno = 5;
        assert_true(roles_member_equal(&a, &b));
        assert_false(roles_member_equal(&a, &none));
        assert_true(roles_member_equal(&none, &none));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_assign),
                cmocka_unit_test(test_find_uuid),
                cmocka_unit_test(test_member_equal),
                cmocka_unit_test(test_member_equal_unmounted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
