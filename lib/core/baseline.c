/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text form, by an example (one line each; the first word of a line is the checksum of what
 * follows it, XXH3 shortened to 64 bits):
 *
 *   0123456789abcdef bootsync-baseline 1 <source GUID>
 *   0123456789abcdef F <digest> <size> <source mtime> <target mtime> <0|1 racy> <escaped key>
 *   0123456789abcdef X <escaped key>            dropped
 */
#include "core/baseline.h"

#include "base/relpath.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CHECKSUM_DIGITS 16
#define HEAD_WORDS "bootsync-baseline 1 "

static void record_done(struct record *record) {
        free(record->key);
        *record = (struct record){ 0 };
}

void baseline_done(struct baseline *baseline) {
        for (size_t i = 0; i < baseline->n; i++)
                record_done(&baseline->records[i]);
        free(baseline->records);
        free(baseline->source);
        *baseline = BASELINE_INIT;
}

static size_t lower_bound(const struct baseline *baseline, const char *key) {
        size_t low = 0, high = baseline->n;

        if (high > 0 && relpath_compare(baseline->records[high - 1].key, key) < 0)
                return high;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (relpath_compare(baseline->records[middle].key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool found(const struct baseline *baseline, size_t at, const char *key) {
        return at < baseline->n && relpath_equal(baseline->records[at].key, key);
}

const struct record *baseline_find(const struct baseline *baseline, const char *key) {
        size_t at = lower_bound(baseline, key);

        return found(baseline, at, key) ? &baseline->records[at] : NULL;
}

static int make_room(struct baseline *baseline) {
        struct record *records;
        size_t room;

        if (baseline->n < baseline->room)
                return 0;
        room = baseline->room ? baseline->room * 2 : 16;
        records = reallocarray(baseline->records, room, sizeof(*records));
        if (!records)
                return -ENOMEM;
        baseline->records = records;
        baseline->room = room;
        return 0;
}

int baseline_set(struct baseline *baseline, const struct record *record) {
        size_t at = lower_bound(baseline, record->key);
        struct record copy = *record;
        int r;

        copy.key = strdup(record->key);
        if (!copy.key)
                return -ENOMEM;
        if (found(baseline, at, record->key)) {
                record_done(&baseline->records[at]);
                baseline->records[at] = copy;
                return 0;
        }
        r = make_room(baseline);
        if (r < 0) {
                record_done(&copy);
                return r;
        }
        memmove(&baseline->records[at + 1], &baseline->records[at],
                (baseline->n - at) * sizeof(struct record));
        baseline->records[at] = copy;
        baseline->n++;
        return 0;
}

void baseline_drop(struct baseline *baseline, const char *key) {
        size_t at = lower_bound(baseline, key);

        if (!found(baseline, at, key))
                return;
        record_done(&baseline->records[at]);
        baseline->n--;
        memmove(&baseline->records[at], &baseline->records[at + 1],
                (baseline->n - at) * sizeof(struct record));
}

void baseline_distrust(struct baseline *baseline, const char *key) {
        for (size_t at = lower_bound(baseline, key);
             at < baseline->n && relpath_below(baseline->records[at].key, key); at++)
                baseline->records[at].suspect = true;
}

void baseline_distrust_racy(struct baseline *baseline) {
        for (size_t i = 0; i < baseline->n; i++)
                baseline->records[i].suspect |= baseline->records[i].racy;
}

/* Puts the checksum before the line that begins at from, and ends it. */
static int seal(struct buf *buf, const struct buf *line) {
        struct digest digest = digest_of(line->data, line->size);
        int r;

        r = buf_appendf(buf, "%016" PRIx64 " ", digest.low);
        if (r < 0)
                return r;
        r = buf_append(buf, line->data, line->size);
        if (r < 0)
                return r;
        return buf_append_string(buf, "\n");
}

int baseline_format_head(struct buf *buf, const char *source) {
        _cleanup_buf_ struct buf line = BUF_INIT;
        int r;

        r = buf_appendf(&line, HEAD_WORDS "%s", source);
        return r < 0 ? r : seal(buf, &line);
}

static int format_keyed(struct buf *buf, struct buf *line, const char *key) {
        int r;

        r = buf_append_escaped(line, key, strlen(key));
        return r < 0 ? r : seal(buf, line);
}

int baseline_format_record(struct buf *buf, const struct record *record) {
        _cleanup_buf_ struct buf line = BUF_INIT;
        char digest[DIGEST_TEXT_SIZE];
        int r;

        digest_format(record->digest, digest);
        r = buf_appendf(&line, "F %s %" PRIu64 " %" PRIi64 " %" PRIi64 " %d ", digest, record->size,
                        record->source_mtime, record->target_mtime,
                        record->racy || record->suspect);
        return r < 0 ? r : format_keyed(buf, &line, record->key);
}

int baseline_format_drop(struct buf *buf, const char *key) {
        _cleanup_buf_ struct buf line = BUF_INIT;
        int r;

        r = buf_append_string(&line, "X ");
        return r < 0 ? r : format_keyed(buf, &line, key);
}

/* The next line without its checksum and newline: 0; -EBADMSG if it is torn or altered. */
static int next_line(const char **text, size_t *size, const char **ret_line, size_t *ret_size) {
        const char *end = memchr(*text, '\n', *size);
        char checksum[CHECKSUM_DIGITS + 1];
        size_t length;

        if (!end)
                return -EBADMSG;
        length = (size_t) (end - *text);
        if (length < CHECKSUM_DIGITS + 1)
                return -EBADMSG;
        *ret_line = *text + CHECKSUM_DIGITS + 1;
        *ret_size = length - CHECKSUM_DIGITS - 1;
        snprintf(checksum, sizeof(checksum), "%016" PRIx64, digest_of(*ret_line, *ret_size).low);
        if (memcmp(checksum, *text, CHECKSUM_DIGITS) != 0 || (*text)[CHECKSUM_DIGITS] != ' ')
                return -EBADMSG;
        *size -= length + 1;
        *text = end + 1;
        return 0;
}

static int parse_key(const char *line, size_t size, struct buf *ret_key) {
        int r;

        r = buf_append_unescaped(ret_key, line, size);
        if (r == -EINVAL || (r == 0 && strlen(buf_string(ret_key)) != ret_key->size))
                return -EBADMSG;
        return r;
}

/* line is NUL-terminated here: the checksum has vouched for it, so that sscanf() may read it. */
static int parse_file(const char *line, struct record *record, int *ret_key_at) {
        char digest[DIGEST_TEXT_SIZE];
        int racy = 0;

        if (sscanf(line, "F %32s %" SCNu64 " %" SCNi64 " %" SCNi64 " %d%n", digest, &record->size,
                   &record->source_mtime, &record->target_mtime, &racy, ret_key_at) != 5 ||
            line[(*ret_key_at)++] != ' ')
                return -EBADMSG;
        record->racy = record->suspect = racy != 0;
        return digest_parse(digest, strlen(digest), &record->digest) < 0 ? -EBADMSG : 0;
}

static int parse_record(struct baseline *baseline, const char *text, size_t size) {
        _cleanup_free_ char *line = strndup(text, size);
        _cleanup_buf_ struct buf key = BUF_INIT;
        struct record record = { 0 };
        int r, key_at = 2;

        if (!line)
                return -ENOMEM;
        if (strlen(line) != size || size < 3 || line[1] != ' ' || !strchr("FX", line[0]))
                return -EBADMSG;
        if (line[0] == 'F') {
                r = parse_file(line, &record, &key_at);
                if (r < 0)
                        return r;
        }
        r = parse_key(line + key_at, size - (size_t) key_at, &key);
        if (r < 0)
                return r;
        if (line[0] == 'X') {
                baseline_drop(baseline, buf_string(&key));
                return 0;
        }
        record.key = key.data;
        return key.size > 0 ? baseline_set(baseline, &record) : -EBADMSG;
}

int baseline_parse(const char *text, size_t size, const char *source,
                   struct baseline *ret_baseline) {
        _cleanup_baseline_ struct baseline baseline = BASELINE_INIT;
        size_t head = strlen(HEAD_WORDS), line_size;
        bool torn = false;
        const char *line;
        int r;

        r = next_line(&text, &size, &line, &line_size);
        if (r < 0)
                return r;
        if (line_size < head || memcmp(line, HEAD_WORDS, head) != 0)
                return -EBADMSG;
        if (line_size - head != strlen(source) || memcmp(line + head, source, strlen(source)) != 0)
                return BASELINE_FOREIGN;
        baseline.source = strdup(source);
        if (!baseline.source)
                return -ENOMEM;

        while (size > 0 && !torn) {
                r = next_line(&text, &size, &line, &line_size);
                if (r == 0)
                        r = parse_record(&baseline, line, line_size);
                if (r == -ENOMEM)
                        return r;
                torn = r < 0;
        }

        *ret_baseline = baseline;
        baseline = BASELINE_INIT;
        return torn ? BASELINE_TORN : 0;
}
