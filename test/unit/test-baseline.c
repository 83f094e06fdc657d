/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written is read back to the same; a text that was cut or altered anywhere gives what
 * stands before the damage, or nothing, and never something else.
 */
#include "fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SOURCE "11111111-2222-3333-4444-555555555555"

static const struct record records[] = {
        { .key = (char *) "a/b",
          .size = 1,
          .source_mtime = 2,
          .target_mtime = 3,
          .digest = { 4, 5 } },
        { .key = (char *) "a-b",
          .size = UINT64_MAX,
          .source_mtime = INT64_MIN,
          .target_mtime = INT64_MAX,
          .digest = { UINT64_MAX, 0 },
          .racy = true },
        { .key = (char *) " a\n\\b  c\x01\xff ", .size = 0, .source_mtime = -1 },
        { .key = (char *) "z", .size = 77 },
};

static void check_record(const struct baseline *baseline, const struct record *wanted) {
        const struct record *got = baseline_find(baseline, wanted->key);

        assert_non_null(got);
        assert_string_equal(got->key, wanted->key);
        assert_true(got->size == wanted->size);
        assert_true(got->source_mtime == wanted->source_mtime);
        assert_true(got->target_mtime == wanted->target_mtime);
        assert_true(digest_equal(got->digest, wanted->digest));
        assert_int_equal(got->racy, wanted->racy);
        assert_int_equal(got->suspect, wanted->racy);
}

/* The text of all records; ends[i] is where the i-th line ends, the head's first. */
static void write_all(struct buf *buf, size_t ends[static ELEMENTSOF(records) + 1]) {
        assert_int_equal(baseline_format_head(buf, SOURCE), 0);
        ends[0] = buf->size;
        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                assert_int_equal(baseline_format_record(buf, &records[i]), 0);
                ends[i + 1] = buf->size;
        }
}

static int parse(const struct buf *buf, struct baseline *ret_baseline) {
        return baseline_parse(buf_string(buf), buf->size, SOURCE, ret_baseline);
}

static void test_round_trip(void **state) {
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
        _cleanup_buf_ struct buf buf = BUF_INIT;
        size_t ends[ELEMENTSOF(records) + 1];

        (void) state;
        write_all(&buf, ends);
        assert_int_equal(parse(&buf, &baseline), 0);
        assert_string_equal(baseline.source, SOURCE);
        assert_int_equal(baseline.n, ELEMENTSOF(records));
        for (size_t i = 0; i < ELEMENTSOF(records); i++)
                check_record(&baseline, &records[i]);
        assert_int_equal(strlen(buf_string(&buf)), buf.size);
}

/* Cut anywhere, in memory that ends there. */
static void test_torn(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;
        size_t ends[ELEMENTSOF(records) + 1], lines = 0;

        (void) state;
        write_all(&buf, ends);
        for (size_t size = 0; size <= buf.size; size++) {
                _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
                _cleanup_free_ char *text = malloc(size + (size == 0));
                int r;

                memcpy(text, buf.data, size);
                r = baseline_parse(text, size, SOURCE, &baseline);
                while (lines < ELEMENTSOF(ends) && ends[lines] <= size)
                        lines++;
                if (lines == 0) {
                        assert_int_equal(r, -EBADMSG);
                        assert_null(baseline.source);
                        continue;
                }
                assert_int_equal(r, ends[lines - 1] == size ? 0 : BASELINE_TORN);
                assert_int_equal(baseline.n, lines - 1);
                for (size_t i = 0; i + 1 < lines; i++)
                        check_record(&baseline, &records[i]);
        }
        assert_int_equal(lines, ELEMENTSOF(ends));
}

/* Every bit of every byte turned: what comes before the damage is read, nothing behind it. */
static void test_flipped(void **state) {
        _cleanup_buf_ struct buf buf = BUF_INIT;
        size_t ends[ELEMENTSOF(records) + 1];

        (void) state;
        write_all(&buf, ends);
        for (size_t bit = 0; bit < buf.size * 8; bit++) {
                _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
                size_t at = bit / 8, intact = 0;
                int r;

                buf.data[at] = (char) (buf.data[at] ^ (1 << bit % 8));
                while (ends[intact] <= at)
                        intact++;
                r = parse(&buf, &baseline);
                assert_int_equal(r, intact == 0 ? -EBADMSG : BASELINE_TORN);
                assert_int_equal(baseline.n, intact == 0 ? 0 : intact - 1);
                for (size_t i = 0; i + 1 < intact; i++)
                        check_record(&baseline, &records[i]);
                buf.data[at] = (char) (buf.data[at] ^ (1 << bit % 8));
        }
}

static void test_override(void **state) {
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
        _cleanup_buf_ struct buf buf = BUF_INIT;
        size_t ends[ELEMENTSOF(records) + 1];
        struct record later = records[0];

        (void) state;
        write_all(&buf, ends);
        later.size = 99;
        later.racy = true;
        later.key = (char *) "A/B";
        assert_int_equal(baseline_format_record(&buf, &later), 0);
        assert_int_equal(baseline_format_drop(&buf, "A-B"), 0);
        assert_int_equal(baseline_format_drop(&buf, "never there"), 0);
        assert_int_equal(baseline_format_drop(&buf, records[2].key), 0);
        assert_int_equal(baseline_format_record(&buf, &records[2]), 0);

        assert_int_equal(parse(&buf, &baseline), 0);
        assert_int_equal(baseline.n, ELEMENTSOF(records) - 1);
        check_record(&baseline, &later);
        assert_null(baseline_find(&baseline, "a-b"));
        check_record(&baseline, &records[2]);
        check_record(&baseline, &records[3]);
}

static void test_foreign(void **state) {
        static const char *const others[] = { "", SOURCE "x", "1",
                                              "11111111-2222-3333-4444-555555555556" };
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
        _cleanup_buf_ struct buf buf = BUF_INIT;
        size_t ends[ELEMENTSOF(records) + 1];

        (void) state;
        write_all(&buf, ends);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(baseline_parse(buf.data, buf.size, others[i], &baseline),
                                 BASELINE_FOREIGN);
        assert_null(baseline.source);
        assert_null(baseline.records);
}

/* A line that carries a right checksum, and nonsense. */
static void append_sealed(struct buf *buf, const char *line, size_t size) {
        assert_int_equal(buf_appendf(buf, "%016" PRIx64 " ", digest_of(line, size).low), 0);
        assert_int_equal(buf_append(buf, line, size), 0);
        assert_int_equal(buf_append(buf, "\n", 1), 0);
}

#define DIGEST "00000000000000040000000000000005"
#define LINE(text)                                                                                 \
        { text, sizeof(text) - 1 }

static void test_nonsense(void **state) {
        static const struct {
                const char *line;
                size_t size;
        } lines[] = {
                LINE(""),
                LINE("F"),
                LINE("F "),
                LINE("X "),
                LINE("Y key"),
                LINE("FX key"),
                LINE("F key"),
                LINE("\0 key"),
                LINE("X\0key"),
                LINE("X key\0more"),
                LINE("X \\"),
                LINE("X \\q"),
                LINE("X a\\x00b"),
                LINE("F " DIGEST " 1 2 3 0 "),
                LINE("F " DIGEST " 1 2 3 0"),
                LINE("F " DIGEST " 1 2 3 0key"),
                LINE("F " DIGEST " 1 2 3 key"),
                LINE("F 4 1 2 3 0 key"),
                LINE("F 0000000000000004000000000000000G 1 2 3 0 key"),
                LINE("F " DIGEST " 1 2 3 0 k\0y"),
                LINE("F " DIGEST " 1 2\0 3 0 key"),
                LINE("F " DIGEST " 1 2 3 0 a\tb"),
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
                _cleanup_buf_ struct buf buf = BUF_INIT;
                _cleanup_free_ char *line = malloc(lines[i].size + 1);

                /* The head, one good record, nonsense, one good record. */
                memcpy(line, lines[i].line, lines[i].size);
                assert_int_equal(baseline_format_head(&buf, SOURCE), 0);
                assert_int_equal(baseline_format_record(&buf, &records[0]), 0);
                append_sealed(&buf, line, lines[i].size);
                assert_int_equal(baseline_format_record(&buf, &records[1]), 0);
                if (parse(&buf, &baseline) != BASELINE_TORN || baseline.n != 1)
                        fail_msg("line %zu: %s", i, lines[i].line);
        }
}

static void test_no_head(void **state) {
        static const char *const heads[] = { "", "bootsync-baseline 1",
                                             "bootsync-baseline 2 " SOURCE, "F x" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(heads); i++) {
                _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
                _cleanup_buf_ struct buf buf = BUF_INIT;

                append_sealed(&buf, heads[i], strlen(heads[i]));
                assert_int_equal(parse(&buf, &baseline), -EBADMSG);
        }
}

static void test_set_drop(void **state) {
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
        struct random random = { 7 };
        bool there[200] = { false };
        char key[16];

        (void) state;
        for (size_t i = 0; i < 5000; i++) {
                size_t k = random_below(&random, ELEMENTSOF(there));
                struct record record = { .key = key, .size = k };

                snprintf(key, sizeof(key), "d%zu/%zu", k % 7, k);
                there[k] = random_chance(&random, 60);
                if (there[k])
                        assert_int_equal(baseline_set(&baseline, &record), 0);
                else
                        baseline_drop(&baseline, key);
        }
        for (size_t k = 0; k < ELEMENTSOF(there); k++) {
                const struct record *record;

                snprintf(key, sizeof(key), "D%zu/%zu", k % 7, k);
                record = baseline_find(&baseline, key);
                assert_int_equal(record != NULL, there[k]);
                assert_true(!record || record->size == k);
        }
}

static void test_distrust(void **state) {
        static const char *const keys[] = { "a", "a/b", "a/b/c", "a-b", "b" };
        static const struct {
                const char *key, *suspect; /* one letter for each of keys */
        } table[] = {
                { "a", "yyynn" },  { "A/B", "nyynn" }, { "", "yyyyy" },
                { "a-", "nnnnn" }, { "b", "nnnny" },   { "c", "nnnnn" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;

                for (size_t k = 0; k < ELEMENTSOF(keys); k++) {
                        struct record record = { .key = (char *) keys[k] };

                        assert_int_equal(baseline_set(&baseline, &record), 0);
                }
                baseline_distrust(&baseline, table[i].key);
                for (size_t k = 0; k < ELEMENTSOF(keys); k++)
                        assert_int_equal(baseline_find(&baseline, keys[k])->suspect,
                                         table[i].suspect[k] == 'y');
        }
}

/* Young time stamps prove nothing from the moment at which nobody watched; what an event made
 * suspect is so on disk, too. */
static void test_distrust_racy(void **state) {
        struct record fresh = { .key = (char *) "fresh", .racy = true };
        struct record old = { .key = (char *) "old" };
        struct record touched = { .key = (char *) "touched", .suspect = true };
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT, again = BASELINE_INIT;
        _cleanup_buf_ struct buf buf = BUF_INIT;

        (void) state;
        assert_int_equal(baseline_set(&baseline, &fresh), 0);
        assert_int_equal(baseline_set(&baseline, &old), 0);
        assert_false(baseline_find(&baseline, "fresh")->suspect);
        baseline_distrust_racy(&baseline);
        assert_true(baseline_find(&baseline, "fresh")->suspect);
        assert_false(baseline_find(&baseline, "old")->suspect);

        assert_int_equal(baseline_format_head(&buf, SOURCE), 0);
        assert_int_equal(baseline_format_record(&buf, &touched), 0);
        assert_int_equal(baseline_parse(buf.data, buf.size, SOURCE, &again), 0);
        assert_true(baseline_find(&again, "touched")->suspect);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip), cmocka_unit_test(test_torn),
                cmocka_unit_test(test_flipped),    cmocka_unit_test(test_override),
                cmocka_unit_test(test_foreign),    cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_no_head),    cmocka_unit_test(test_set_drop),
                cmocka_unit_test(test_distrust),   cmocka_unit_test(test_distrust_racy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
