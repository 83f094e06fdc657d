/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A world begins as two equal disks with a few kernels; then each of a list of mishaps strikes one
 * side with some probability. What a mishap hits is left to chance, so that they meet.
 */
#include "plan-world.h"

#include "base/relpath.h"
#include "core/entry.h"
#include "core/guard.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PATH_SIZE 256

const char *const feature_names[FEATURE_N] = {
        [FEATURE_TYPE1] = "Type #1",
        [FEATURE_UKI] = "UKI",
        [FEATURE_UKI_KEY] = "entry that names a UKI",
        [FEATURE_SIDECAR] = "side-car",
        [FEATURE_TOKEN] = "entry token",
        [FEATURE_RESCUE] = "rescue",
        [FEATURE_NEW] = "new kernel",
        [FEATURE_REMOVED_SEEN] = "removed and seen",
        [FEATURE_REMOVED_PARTLY_SEEN] = "removed and partly seen",
        [FEATURE_REMOVED_UNSEEN] = "removed and unseen",
        [FEATURE_MODULES_GONE] = "modules gone",
        [FEATURE_REFRESHED] = "refreshed in place",
        [FEATURE_EMPTIED] = "emptied",
        [FEATURE_DANGLING_SOURCE] = "dangling on the source",
        [FEATURE_DANGLING_TARGET] = "dangling on the target",
        [FEATURE_SHARED] = "shared payload",
        [FEATURE_ENTRY_CHANGED] = "entry changed",
        [FEATURE_COUNTED_SOURCE] = "counted on the source",
        [FEATURE_COUNTED_TARGET] = "counted on the target",
        [FEATURE_TWO_FORMS_SOURCE] = "two forms on the source",
        [FEATURE_TWO_FORMS_TARGET] = "two forms on the target",
        [FEATURE_CLASH_FILE] = "file in the way",
        [FEATURE_CLASH_DIR] = "directory in the way",
        [FEATURE_LEFTOVER] = "leftover",
        [FEATURE_EXTRA] = "extra",
        [FEATURE_EXTRA_PATH] = "extra path",
        [FEATURE_DRIFT] = "drift",
        [FEATURE_OUTSIDE] = "names what is outside",
        [FEATURE_BAD_NAME] = "bad name",
        [FEATURE_SPECIAL] = "special file",
        [FEATURE_CASE] = "other case",
        [FEATURE_BASELINE] = "baseline",
        [FEATURE_FROZEN] = "frozen",
        [FEATURE_PRUNE] = "prune",
        [FEATURE_RUNNING] = "running kernel",
        [FEATURE_TIGHT] = "tight",
};

static const char *const versions[] = { "6.1.7",  "6.5.6",          "6.9.1",
                                        "6.10.2", "6.9.1-fallback", "5.4.0" };

enum layout {
        LAYOUT_TYPE1,
        LAYOUT_UKI,
        LAYOUT_UKI_KEY,
        LAYOUT_N,
};

struct kernel {
        const char *version;
        const char *token;
        enum layout layout;
        char ref[PATH_SIZE]; /* what else its entry names */
        uint64_t size;
};

struct maker {
        struct world *world;
        struct random random;
        bool *has;
};

static const char *any_version(struct maker *m) {
        return versions[random_below(&m->random, ELEMENTSOF(versions))];
}

static bool chance(struct maker *m, unsigned percent) {
        return random_chance(&m->random, percent);
}

static void see(struct maker *m, const char *path) {
        assert_int_equal(strlist_add(&m->world->seen, path), 0);
}

/* ---- Kernels ---- */

static struct kernel make_kernel(struct maker *m, const char *version) {
        struct kernel kernel = {
                .version = version,
                .token = chance(m, 30) ? "fedora" : MID,
                .layout = (enum layout)(chance(m, 60) ? LAYOUT_TYPE1
                                                      : random_below(&m->random, LAYOUT_N)),
                .size = 1 + random_below(&m->random, 60000),
        };

        if (chance(m, 25)) {
                snprintf(kernel.ref, sizeof(kernel.ref), MID "/%s",
                         chance(m, 50) ? "shared/ucode" : "6.1.7/initrd");
                m->has[FEATURE_SHARED] = true;
        }
        m->has[FEATURE_TYPE1] |= kernel.layout == LAYOUT_TYPE1;
        m->has[FEATURE_UKI] |= kernel.layout == LAYOUT_UKI;
        m->has[FEATURE_UKI_KEY] |= kernel.layout == LAYOUT_UKI_KEY;
        m->has[FEATURE_TOKEN] |= kernel.token[0] == 'f';
        m->has[FEATURE_RESCUE] |= strcmp(version, "0-rescue") == 0;
        return kernel;
}

static void install_type1(struct disk *disk, const struct kernel *kernel) {
        char path[PATH_SIZE], refs[PATH_SIZE * 4];

        snprintf(path, sizeof(path), "%s/%s/linux", kernel->token, kernel->version);
        disk_file(disk, path, kernel->size, path);
        snprintf(path, sizeof(path), "%s/%s/initrd", kernel->token, kernel->version);
        disk_file(disk, path, kernel->size * 2, path);
        snprintf(path, sizeof(path), "loader/entries/%s-%s.conf", kernel->token, kernel->version);
        snprintf(refs, sizeof(refs), "%s/%s/linux %s/%s/initrd %s", kernel->token, kernel->version,
                 kernel->token, kernel->version, kernel->ref);
        disk_entry(disk, path, refs);
}

static void install_uki(struct disk *disk, const struct kernel *kernel) {
        char path[PATH_SIZE], entry[PATH_SIZE];

        snprintf(path, sizeof(path), "EFI/Linux/%s-%s.efi", kernel->token, kernel->version);
        disk_file(disk, path, kernel->size * 3, path);
        if (kernel->layout == LAYOUT_UKI_KEY) {
                snprintf(entry, sizeof(entry), "loader/entries/%s-%s.conf", kernel->token,
                         kernel->version);
                disk_entry(disk, entry, path);
        }
}

static void install(struct disk *disk, const struct kernel *kernel) {
        if (kernel->layout == LAYOUT_TYPE1)
                install_type1(disk, kernel);
        else
                install_uki(disk, kernel);
        if (strstr(kernel->ref, "shared"))
                disk_file(disk, kernel->ref, 5000, kernel->ref);
}

static void add_sidecar(struct maker *m, struct disk *disk, const struct kernel *kernel) {
        char path[PATH_SIZE];

        if (kernel->layout == LAYOUT_TYPE1)
                return;
        snprintf(path, sizeof(path), "EFI/Linux/%s-%s.efi.extra.d/x.addon.efi", kernel->token,
                 kernel->version);
        disk_file(disk, path, 700, path);
        m->has[FEATURE_SIDECAR] = true;
}

/* What a removal on the source leaves for us to have seen. */
static void see_removal(struct maker *m, const struct kernel *kernel) {
        char dir[PATH_SIZE], entry[PATH_SIZE], uki[PATH_SIZE], sidecar[PATH_SIZE + 16];
        size_t how = random_below(&m->random, 4);

        snprintf(dir, sizeof(dir), "%s/%s", kernel->token, kernel->version);
        snprintf(entry, sizeof(entry), "loader/entries/%s-%s%s.conf", kernel->token,
                 kernel->version, chance(m, 30) ? "+2-1" : "");
        snprintf(uki, sizeof(uki), "EFI/Linux/%s-%s.efi", kernel->token, kernel->version);
        snprintf(sidecar, sizeof(sidecar), "%s.extra.d", uki);
        if (how == 0) {
                see(m, entry);
                see(m, dir);
                see(m, uki);
                see(m, sidecar);
                m->has[FEATURE_REMOVED_SEEN] = true;
        } else if (how < 3) {
                see(m, how == 1 ? entry : dir);
                m->has[FEATURE_REMOVED_PARTLY_SEEN] = true;
        } else {
                m->has[FEATURE_REMOVED_UNSEEN] = true;
        }
}

static void add_module(struct maker *m, const char *version) {
        assert_int_equal(strlist_add(&m->world->modules, version), 0);
}

static void add_kernel(struct maker *m, const char *version) {
        struct kernel kernel = make_kernel(m, version);
        bool sidecar = chance(m, 30);
        size_t where = random_below(&m->random, 10);

        if (where < 8) {
                install(&m->world->source, &kernel);
                if (sidecar)
                        add_sidecar(m, &m->world->source, &kernel);
                if (chance(m, 92))
                        add_module(m, version);
        }
        if (where < 6 || where >= 8) {
                install(&m->world->target, &kernel);
                if (sidecar)
                        add_sidecar(m, &m->world->target, &kernel);
        }
        m->has[FEATURE_NEW] |= where == 6 || where == 7;
        if (where >= 8) {
                see_removal(m, &kernel);
                if (chance(m, 50))
                        add_module(m, version);
                else
                        m->has[FEATURE_MODULES_GONE] = true;
        }
}

/* ---- What a mishap hits ---- */

static bool is_payload(const struct maker *m, const struct node *node) {
        return node->kind == NODE_FILE &&
               scope_classify(&m->world->scope, node->path, false) == SCOPE_PAYLOAD;
}

static bool is_entry(const struct maker *m, const struct node *node) {
        enum scope_class class = scope_classify(&m->world->scope, node->path, false);

        return node->kind == NODE_FILE && (class == SCOPE_ENTRY || class == SCOPE_UKI);
}

static bool is_bootable_file(const struct maker *m, const struct node *node) {
        return is_payload(m, node) || (is_entry(m, node) && !node->text);
}

static struct node *any_node(struct maker *m, struct disk *disk,
                             bool (*fits)(const struct maker *, const struct node *)) {
        size_t start;

        if (disk->n == 0)
                return NULL;
        start = random_below(&m->random, disk->n);
        for (size_t i = 0; i < disk->n; i++)
                if (fits(m, &disk->nodes[(start + i) % disk->n]))
                        return &disk->nodes[(start + i) % disk->n];
        return NULL;
}

static struct disk *any_disk(struct maker *m) {
        return chance(m, 50) ? &m->world->source : &m->world->target;
}

/* The path of a node that fits, in a place of its own; false if there is none. */
static bool any_path(struct maker *m, struct disk *disk,
                     bool (*fits)(const struct maker *, const struct node *),
                     char path[static PATH_SIZE]) {
        const struct node *node = any_node(m, disk, fits);

        if (node)
                snprintf(path, PATH_SIZE, "%s", node->path);
        return node;
}

/* ---- The mishaps ---- */

static void refresh(struct maker *m) {
        struct node *node = any_node(m, &m->world->source, chance(m, 80) ? is_payload : is_entry);

        if (!node || node->text)
                return;
        node->content ^= 0x55;
        node->mtime += 2000000000;
        if (chance(m, 50))
                node->size += random_below(&m->random, 40000);
        m->has[FEATURE_REFRESHED] = true;
}

static void drift(struct maker *m) {
        struct node *node = any_node(m, &m->world->target, is_payload);

        if (!node)
                return;
        node->content ^= 0xaa;
        node->mtime += 2000000000;
        if (chance(m, 50))
                node->size = chance(m, 50) ? 0 : node->size + 4096;
        m->has[FEATURE_DRIFT] = true;
}

static void empty(struct maker *m) {
        struct node *node = any_node(m, &m->world->source, chance(m, 70) ? is_payload : is_entry);

        if (!node)
                return;
        node->size = 0;
        node->content = 0;
        m->has[FEATURE_EMPTIED] = true;
}

static void dangle_source(struct maker *m) {
        char path[PATH_SIZE];

        if (!any_path(m, &m->world->source, is_payload, path))
                return;
        if (chance(m, 50))
                path[relpath_dir_length(path)] = '\0';
        if (!path[0])
                return;
        disk_remove(&m->world->source, path);
        if (chance(m, 70))
                see(m, path);
        m->has[FEATURE_DANGLING_SOURCE] = true;
}

static void dangle_target(struct maker *m) {
        char path[PATH_SIZE];

        if (!any_path(m, &m->world->target, is_payload, path))
                return;
        disk_remove(&m->world->target, path);
        m->has[FEATURE_DANGLING_TARGET] = true;
}

/* The entry names other things on one side. */
static void change_entry(struct maker *m) {
        struct disk *disk = any_disk(m);
        char path[PATH_SIZE], refs[PATH_SIZE * 3], other[PATH_SIZE] = "";
        const struct node *entry = any_node(m, disk, is_entry);

        if (!entry || !entry->text)
                return;
        snprintf(path, sizeof(path), "%s", entry->path);
        if (!any_path(m, disk, is_bootable_file, other) || chance(m, 10))
                snprintf(other, sizeof(other), MID "/%s/linux", any_version(m));
        snprintf(refs, sizeof(refs), "%s %s",
                 entry->refs.n > 0 && chance(m, 70) ? entry->refs.items[0] : other, other);
        if (chance(m, 5))
                refs[0] = '\0';
        disk_entry(disk, path, refs);
        m->has[FEATURE_ENTRY_CHANGED] = true;
}

static void name_outside(struct maker *m) {
        struct disk *disk = any_disk(m);
        char path[PATH_SIZE];

        if (!any_path(m, disk, is_entry, path) || !strstr(path, ".conf"))
                return;
        disk_file(disk, "vmlinuz-linux", 4000, "vmlinuz-linux");
        disk_entry(disk, path, "vmlinuz-linux");
        m->has[FEATURE_OUTSIDE] = true;
}

static void rename_node(struct disk *disk, const char *from, const char *to) {
        struct disk copy = DISK_INIT;

        disk_copy_node(&copy, to, disk_find(disk, from));
        disk_remove(disk, from);
        disk_copy_node(disk, to, disk_find(&copy, to));
        disk_done(&copy);
}

static void count_entry(struct maker *m) {
        static const char *const forms[] = { "+3", "+2-1", "+0-3", "" };
        bool on_source = chance(m, 40);
        struct disk *disk = on_source ? &m->world->source : &m->world->target;
        char path[PATH_SIZE], to[PATH_SIZE];
        const char *form = forms[random_below(&m->random, ELEMENTSOF(forms))], *suffix;
        _cleanup_free_ char *key = NULL;

        if (!any_path(m, disk, is_entry, path))
                return;
        key = entry_identity(path);
        suffix = strrchr(key, '.');
        snprintf(to, sizeof(to), "%.*s%s%s", (int) (suffix - key), key, form, suffix);
        if (strcasecmp(to, path) == 0)
                return;
        if (chance(m, 60)) {
                rename_node(disk, path, to);
                m->has[on_source ? FEATURE_COUNTED_SOURCE : FEATURE_COUNTED_TARGET] = true;
                return;
        }
        disk_copy_node(disk, to, disk_find(disk, path));
        m->has[on_source ? FEATURE_TWO_FORMS_SOURCE : FEATURE_TWO_FORMS_TARGET] = true;
}

/* A payload file of one disk becomes a directory with a file in it there. */
static void clash(struct maker *m) {
        bool file_on_target = chance(m, 50);
        struct disk *disk = file_on_target ? &m->world->source : &m->world->target;
        char path[PATH_SIZE], inner[PATH_SIZE + 8];

        if (!any_path(m, disk, is_payload, path))
                return;
        if (chance(m, 40)) {
                /* the other way: a directory becomes a file */
                path[relpath_dir_length(path)] = '\0';
                if (scope_classify(&m->world->scope, path, false) != SCOPE_PAYLOAD)
                        return;
                disk_remove(disk, path);
                disk_file(disk, path, 900, path);
                file_on_target = !file_on_target;
        } else {
                disk_remove(disk, path);
                snprintf(inner, sizeof(inner), "%s/inner", path);
                disk_file(disk, inner, 300, inner);
        }
        m->has[file_on_target ? FEATURE_CLASH_FILE : FEATURE_CLASH_DIR] = true;
}

static void leave_behind(struct maker *m) {
        char path[PATH_SIZE], dir[PATH_SIZE];

        if (!any_path(m, &m->world->target, chance(m, 50) ? is_payload : is_entry, dir))
                return;
        dir[relpath_dir_length(dir)] = '\0';
        snprintf(path, sizeof(path), "%.200s/.bootsync-%zu.tmp", dir, random_below(&m->random, 9));
        disk_file(chance(m, 90) ? &m->world->target : &m->world->source, path, 9000, path);
        m->has[FEATURE_LEFTOVER] = true;
}

static void add_extra(struct maker *m) {
        char path[PATH_SIZE];

        snprintf(path, sizeof(path), "%s/%s/extra%zu", chance(m, 70) ? MID : "fedora",
                 any_version(m), random_below(&m->random, 3));
        disk_file(&m->world->target, path, 2000, path);
        if (chance(m, 30))
                see(m, path);
        m->has[FEATURE_EXTRA] = true;
}

static void add_extra_path(struct maker *m) {
        struct disk *disk = any_disk(m);

        disk_file(disk, "EFI/BOOT/BOOTX64.EFI", 3000, chance(m, 50) ? "x" : "y");
        disk_file(disk, "EFI/BOOT/fw/x.bin", 3000, chance(m, 50) ? "x" : "y");
        if (chance(m, 30))
                see(m, "EFI/BOOT/fw");
        m->has[FEATURE_EXTRA_PATH] = true;
}

static void add_bad_name(struct maker *m) {
        static const char *const names[] = { MID "/6.9.1/a:b", MID "/wh?t/x",
                                             "loader/entries/" MID "-1*2.conf" };
        size_t i = random_below(&m->random, ELEMENTSOF(names));

        if (i < 2)
                disk_file(&m->world->source, names[i], 100, names[i]);
        else if (disk_find(&m->world->source, MID "/shared/ucode"))
                disk_entry(&m->world->source, names[i], MID "/shared/ucode");
        m->has[FEATURE_BAD_NAME] = true;
}

/* Entries whose kernel FAT cannot hold: the source boots, the target would not. */
static void spoil_kernels(struct maker *m) {
        struct disk *disk = &m->world->source;

        for (size_t i = 0; i < disk->n; i++) {
                char path[PATH_SIZE], kernel[PATH_SIZE];
                const struct node *node = &disk->nodes[i];

                if (!is_entry(m, node) || node->refs.n == 0 || !disk_entry_complete(disk, node))
                        continue;
                snprintf(path, sizeof(path), "%s", node->path);
                snprintf(kernel, sizeof(kernel), "%.200s:", node->refs.items[0]);
                disk_file(disk, kernel, 100, kernel);
                disk_entry(disk, path, kernel);
        }
        m->has[FEATURE_BAD_NAME] = true;
}

static void add_special(struct maker *m) {
        char path[PATH_SIZE];

        if (!any_path(m, any_disk(m), is_payload, path))
                return;
        disk_remove(&m->world->source, path);
        disk_describe(&m->world->source, "@" MID "/link");
        m->has[FEATURE_SPECIAL] = true;
}

static void change_case(struct maker *m) {
        char path[PATH_SIZE], to[PATH_SIZE];

        if (!any_path(m, &m->world->target, is_payload, path))
                return;
        for (size_t i = 0; i < PATH_SIZE; i++)
                to[i] = (char) toupper((unsigned char) path[i]);
        rename_node(&m->world->target, path, to);
        m->has[FEATURE_CASE] = true;
}

static const struct {
        unsigned percent;
        void (*strike)(struct maker *);
} mishaps[] = {
        { 50, refresh },        { 25, drift },        { 15, empty },        { 20, dangle_source },
        { 20, dangle_target },  { 25, change_entry }, { 8, name_outside },  { 40, count_entry },
        { 30, count_entry },    { 20, clash },        { 20, leave_behind }, { 25, add_extra },
        { 20, add_extra_path }, { 8, add_bad_name },  { 5, add_special },   { 10, change_case },
        { 8, dangle_source },   { 10, count_entry },  { 10, leave_behind }, { 8, spoil_kernels },
};

/* ---- The circumstances ---- */

static void add_foreign(struct disk *disk) {
        disk_describe(disk, "EFI/Microsoft/Boot/bootmgfw.efi 7000\n"
                            "EFI/Linux/arch.efi 5000\n"
                            "loader/random-seed 32\n"
                            "loader/loader.conf 20\n"
                            "loader/entries/windows.conf -> EFI/Microsoft/Boot/bootmgfw.efi\n"
                            "loader/entries/" MID "x-6.1.7.conf -> vmlinuz\n"
                            "notes-" MID ".txt 70\n"
                            "EFI/" MID "/x 70\n"
                            ".bootsync-1.txt 70\n");
}

/* Equal pairs, as a finished round would have noted them. */
static void remember(struct maker *m) {
        _cleanup_manifest_ struct manifest source, target;

        disk_scan(&m->world->source, &m->world->scope, &source);
        disk_scan(&m->world->target, &m->world->scope, &target);
        m->world->has_baseline = true;
        m->has[FEATURE_BASELINE] = true;
        for (size_t i = 0; i < source.n; i++) {
                size_t n;
                const struct item *s = manifest_forms(&source, source.items[i].key, &n);
                const struct item *t = manifest_forms(&target, s->key, NULL);

                if (t && n == 1 && s->type == ITEM_FILE && t->type == ITEM_FILE &&
                    s->class != SCOPE_LEFTOVER && chance(m, 80))
                        fixture_baseline_add(&m->world->baseline, &source, &target, s->key);
        }
}

/* Bytes that a plain copy of everything that differs would take. */
static uint64_t count_difference(const struct world *world) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < world->source.n; i++) {
                const struct node *node = &world->source.nodes[i];
                const struct node *other = disk_find(&world->target, node->path);

                if (!other || other->content != node->content)
                        bytes += node->size + world->cluster;
        }
        return bytes;
}

static void set_circumstances(struct maker *m) {
        struct world *world = m->world;
        size_t which = random_below(&m->random, 10);

        if (chance(m, 40)) {
                world->running = any_version(m);
                m->has[FEATURE_RUNNING] = true;
        }
        if (chance(m, 8)) {
                world->source_complete = false;
                m->has[FEATURE_FROZEN] = true;
        }
        if (chance(m, 10)) {
                world->prune = true;
                m->has[FEATURE_PRUNE] = true;
        }
        world->fat = chance(m, 90);
        world->cluster = chance(m, 70) ? 4096 : chance(m, 50) ? 512 : 32768;
        if (which < 5) {
                uint64_t need = count_difference(world) * 2;

                world->free = random_next(&m->random) % (need + 1);
                world->free = world->free / world->cluster * world->cluster;
                m->has[FEATURE_TIGHT] = true;
        }
}

static void add_newest(struct maker *m) {
        if (!guard_newest_kernel(&m->world->modules))
                add_module(m, "6.10.2");
}

struct world world_generate(uint64_t seed, bool has[static FEATURE_N]) {
        struct world world = world_new("", "EFI/BOOT");
        struct maker m = { .world = &world, .random = { seed }, .has = has };

        add_foreign(&world.source);
        add_foreign(&world.target);
        disk_mkdir(&world.source, MID);
        for (size_t i = 0; i < ELEMENTSOF(versions); i++)
                if (chance(&m, 55))
                        add_kernel(&m, versions[i]);
        if (chance(&m, 20))
                add_kernel(&m, "0-rescue");
        add_newest(&m);
        if (chance(&m, 40))
                remember(&m);
        for (size_t i = 0; i < ELEMENTSOF(mishaps); i++)
                if (chance(&m, mishaps[i].percent))
                        mishaps[i].strike(&m);
        set_circumstances(&m);
        return world;
}
