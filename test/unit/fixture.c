/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disk is an unordered array: it must not share an idea, and so a mistake, with the manifest.
 */
#include "fixture.h"

#include "base/buf.h"
#include "base/relpath.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static uint32_t hash_text(const char *text) {
        uint32_t hash = 2166136261U;

        for (; *text; text++)
                hash = (hash ^ (unsigned char) tolower((unsigned char) *text)) * 16777619U;
        return hash;
}

static void node_done(struct node *node) {
        free(node->path);
        free(node->text);
        strlist_done(&node->refs);
        *node = (struct node){ 0 };
}

void disk_done(struct disk *disk) {
        for (size_t i = 0; i < disk->n; i++)
                node_done(&disk->nodes[i]);
        free(disk->nodes);
        *disk = DISK_INIT;
}

struct node *disk_find(const struct disk *disk, const char *path) {
        uint32_t hash = hash_text(path);

        for (size_t i = 0; i < disk->n; i++)
                if (disk->nodes[i].hash == hash && strcasecmp(disk->nodes[i].path, path) == 0)
                        return &disk->nodes[i];
        return NULL;
}

static bool is_inside(const char *path, const char *dir) {
        size_t n = strlen(dir);

        return strncasecmp(path, dir, n) == 0 && path[n] == '/';
}

bool disk_is_empty_dir(const struct disk *disk, const char *path) {
        const struct node *node = disk_find(disk, path);

        if (!node || node->kind != NODE_DIR)
                return false;
        for (size_t i = 0; i < disk->n; i++)
                if (is_inside(disk->nodes[i].path, path))
                        return false;
        return true;
}

void disk_remove(struct disk *disk, const char *path) {
        _cleanup_free_ char *copy = strdup(path);

        for (size_t i = disk->n; i > 0; i--) {
                struct node *node = &disk->nodes[i - 1];

                if (strcasecmp(node->path, copy) != 0 && !is_inside(node->path, copy))
                        continue;
                node_done(node);
                disk->n--;
                *node = disk->nodes[disk->n];
        }
}

static void make_parents(struct disk *disk, const char *path) {
        _cleanup_free_ char *dir = strndup(path, relpath_dir_length(path));
        const struct node *node = disk_find(disk, dir);

        if (dir[0] && (!node || node->kind != NODE_DIR))
                disk_mkdir(disk, dir);
}

/* A new node in path's place; a directory that is replaced loses all below it. */
static struct node *add_node(struct disk *disk, const char *path, enum node_kind kind) {
        struct node *node;

        make_parents(disk, path);
        disk_remove(disk, path);
        if (disk->n == disk->room) {
                disk->room = disk->room ? disk->room * 2 : 32;
                disk->nodes = reallocarray(disk->nodes, disk->room, sizeof(*disk->nodes));
                assert_non_null(disk->nodes);
        }
        node = &disk->nodes[disk->n++];
        *node = (struct node){ .path = strdup(path), .hash = hash_text(path), .kind = kind };
        assert_non_null(node->path);
        return node;
}

struct node *disk_mkdir(struct disk *disk, const char *path) {
        struct node *node = disk_find(disk, path);

        return node && node->kind == NODE_DIR ? node : add_node(disk, path, NODE_DIR);
}

static void set_content(struct node *node, uint32_t content) {
        node->content = content;
        node->mtime = (int64_t) (content % 1000000) * 2000000000;
}

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), m = strlen(end);

        return n >= m && strcasecmp(text + n - m, end) == 0;
}

struct node *disk_file(struct disk *disk, const char *path, uint64_t size, const char *label) {
        struct node *node = add_node(disk, path, NODE_FILE);

        node->size = size;
        set_content(node, hash_text(label));
        node->starts = ends_with(path, ".efi");
        return node;
}

struct node *disk_entry(struct disk *disk, const char *path, const char *refs) {
        struct node *node = add_node(disk, path, NODE_FILE);
        _cleanup_buf_ struct buf text = BUF_INIT;

        assert_int_equal(strlist_add_words(&node->refs, refs), 0);
        assert_int_equal(buf_append_string(&text, "title x\n"), 0);
        for (size_t i = 0; i < node->refs.n; i++) {
                const char *ref = node->refs.items[i];
                const char *key = i > 0 ? "initrd" : ends_with(ref, ".efi") ? "uki" : "linux";

                assert_int_equal(buf_appendf(&text, "%s /%s\n", key, ref), 0);
        }
        node->text = buf_steal(&text);
        node->size = strlen(node->text);
        node->starts = node->refs.n > 0;
        set_content(node, hash_text(node->text));
        return node;
}

/* from may lie on the disk itself, so it is read before a node is added. */
void disk_copy_node(struct disk *disk, const char *path, const struct node *from) {
        struct node copy = { .size = from->size, .content = from->content, .starts = from->starts };
        enum node_kind kind = from->kind;
        struct node *node;

        copy.text = from->text ? strdup(from->text) : NULL;
        assert_int_equal(strlist_copy(&copy.refs, &from->refs), 0);

        node = add_node(disk, path, kind);
        node->size = copy.size;
        node->starts = copy.starts;
        node->text = copy.text;
        node->refs = copy.refs;
        set_content(node, copy.content);
}

void disk_copy(struct disk *to, const struct disk *from) {
        for (size_t i = 0; i < from->n; i++)
                if (from->nodes[i].kind == NODE_DIR)
                        disk_mkdir(to, from->nodes[i].path);
                else
                        disk_copy_node(to, from->nodes[i].path, &from->nodes[i]);
}

/* One line of disk_describe(). */
static void describe(struct disk *disk, char *line) {
        char *arrow = strstr(line, " -> "), *blank = strchr(line, ' '), *label;

        if (line[0] == '@') {
                add_node(disk, line + 1, NODE_OTHER);
        } else if (ends_with(line, "/")) {
                line[strlen(line) - 1] = '\0';
                disk_mkdir(disk, line);
        } else if (arrow || ends_with(line, " ->")) {
                blank[0] = '\0';
                disk_entry(disk, line, arrow ? arrow + 4 : "");
        } else {
                assert_non_null(blank);
                *blank++ = '\0';
                label = strchr(blank, '=');
                disk_file(disk, line, strtoull(blank, NULL, 10), label ? label + 1 : line);
        }
}

void disk_describe(struct disk *disk, const char *text) {
        _cleanup_free_ char *copy = fixture_expand(text);
        char *save = NULL;

        for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                describe(disk, line);
}

static void scan_node(const struct node *node, const struct scope *scope,
                      struct manifest *manifest) {
        static const enum item_type types[] = {
                [NODE_FILE] = ITEM_FILE,
                [NODE_DIR] = ITEM_DIR,
                [NODE_OTHER] = ITEM_OTHER,
        };
        /* a directory has a size, too, which says nothing */
        const uint64_t size = node->kind == NODE_FILE ? node->size : 4096;
        const struct manifest_stat st = { types[node->kind], size, node->mtime };
        enum scope_class class = scope_classify(scope, node->path, node->kind == NODE_DIR);

        if (class == SCOPE_OUTSIDE)
                return;
        assert_int_equal(manifest_set(manifest, node->path, class, &st,
                                      node->size > 0 ? node->text : NULL,
                                      node->text ? strlen(node->text) : 0),
                         0);
}

void disk_scan(const struct disk *disk, const struct scope *scope, struct manifest *ret_manifest) {
        *ret_manifest = MANIFEST_INIT;
        for (size_t i = 0; i < disk->n; i++)
                scan_node(&disk->nodes[i], scope, ret_manifest);
}

bool disk_entry_complete(const struct disk *disk, const struct node *entry) {
        if (entry->kind != NODE_FILE || entry->size == 0 || !entry->starts)
                return false;
        for (size_t i = 0; i < entry->refs.n; i++) {
                const struct node *named = disk_find(disk, entry->refs.items[i]);

                if (!named || named->kind != NODE_FILE || named->size == 0)
                        return false;
        }
        return true;
}

char *fixture_expand(const char *text) {
        _cleanup_buf_ struct buf buf = BUF_INIT;

        for (; *text; text++)
                assert_int_equal(
                        *text == '$' ? buf_append_string(&buf, MID) : buf_append(&buf, text, 1), 0);
        return buf_steal(&buf);
}

struct strlist fixture_words(const char *text) {
        _cleanup_free_ char *copy = fixture_expand(text);
        struct strlist list = STRLIST_INIT;

        assert_int_equal(strlist_add_words(&list, copy), 0);
        return list;
}

struct scope fixture_scope(const char *extra) {
        _cleanup_strlist_ struct strlist tokens = fixture_words("fedora"),
                                         paths = fixture_words(extra);
        struct scope scope;

        assert_int_equal(scope_init(&scope, MID, &tokens, &paths), 0);
        return scope;
}

void fixture_baseline_add(struct baseline *baseline, const struct manifest *source,
                          const struct manifest *target, const char *key) {
        size_t n_s, n_t;
        const struct item *s = manifest_forms(source, key, &n_s);
        const struct item *t = manifest_forms(target, key, &n_t);
        struct record record;

        assert_non_null(s);
        assert_non_null(t);
        s = item_best_form(s, n_s);
        t = item_best_form(t, n_t);
        record = (struct record){
                .key = s->key, .size = s->size, .source_mtime = s->mtime, .target_mtime = t->mtime
        };
        assert_int_equal(baseline_set(baseline, &record), 0);
}

/* SplitMix64. */
uint64_t random_next(struct random *random) {
        uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

size_t random_below(struct random *random, size_t n) {
        return (size_t) (random_next(random) % n);
}

bool random_chance(struct random *random, unsigned percent) {
        return random_below(random, 100) < percent;
}
