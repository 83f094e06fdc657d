/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The promises, at every prefix of the steps:
 *   a. an entry that was complete at the start, or that the plan wrote, is complete while it exists;
 *   b. a target that had a complete entry has one;
 *   c. nothing but what is in scope is touched, and every removal has a reason that counts;
 *   d. nothing of the running kernel goes;
 *   e. the room never runs out;
 *   f. two forms of one entry stand side by side between two neighbouring steps only;
 * and at the end:
 *   g. there is nothing left to do, and if nothing was held back, the disks are equal in scope;
 *   h. a plan that does not fit removes leftovers and nothing else.
 * Each is judged from the disks alone, with as little of the tested code as can be.
 */
#include "plan-check.h"

#include "base/relpath.h"
#include "core/entry.h"
#include "core/guard.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define ROUNDS_MAX 4

struct run {
        struct world *world;
        struct disk start; /* the target before the first step */
        struct manifest source;
        struct manifest target;
        struct diff diff;
        struct witness witness;
        struct plan plan;
        struct findings found;
        size_t at; /* the step that was done last */
        int64_t room;
        bool had_complete;
};

struct world world_new(const char *name, const char *extra_paths) {
        return (struct world){ .name = name,
                               .scope = fixture_scope(extra_paths),
                               .running = "",
                               .source_complete = true,
                               .fat = true,
                               .free = UINT64_C(1) << 40,
                               .cluster = 4096 };
}

void world_done(struct world *world) {
        scope_done(&world->scope);
        disk_done(&world->source);
        disk_done(&world->target);
        strlist_done(&world->modules);
        strlist_done(&world->seen);
        baseline_done(&world->baseline);
}

void outcome_done(struct outcome *outcome) {
        strlist_done(&outcome->steps);
        strlist_done(&outcome->found);
}

static void run_done(struct run *run) {
        plan_done(&run->plan);
        diff_done(&run->diff);
        witness_done(&run->witness);
        findings_done(&run->found);
        manifest_done(&run->source);
        manifest_done(&run->target);
        disk_done(&run->start);
}

/* ---- Saying what went wrong ---- */

static const char *const step_words[] = {
        [STEP_UNLINK] = "unlink",
        [STEP_RMDIR] = "rmdir",
        [STEP_MKDIR] = "mkdir",
        [STEP_PUT] = "put",
};

static int compare_nodes(const void *a, const void *b) {
        return strcmp((*(const struct node *const *) a)->path,
                      (*(const struct node *const *) b)->path);
}

static void print_disk(const char *title, const struct disk *disk) {
        const struct node **sorted = calloc(disk->n + 1, sizeof(struct node *));

        assert_non_null(sorted);
        for (size_t i = 0; i < disk->n; i++)
                sorted[i] = &disk->nodes[i];
        qsort(sorted, disk->n, sizeof(struct node *), compare_nodes);
        print_message("-- %s\n", title);
        for (size_t i = 0; i < disk->n; i++) {
                const struct node *node = sorted[i];

                print_message("   %s%s %" PRIu64 " %08x", node->path,
                              node->kind == NODE_DIR ? "/" : "", node->size, node->content);
                for (size_t k = 0; k < node->refs.n; k++)
                        print_message(" >%s", node->refs.items[k]);
                print_message("\n");
        }
        free(sorted);
}

static void print_list(const char *title, const struct strlist *list) {
        print_message("-- %s:", title);
        for (size_t i = 0; i < list->n; i++)
                print_message(" %s", list->items[i]);
        print_message("\n");
}

static void run_fail(const struct run *run, const char *promise, const char *path) {
        const struct world *world = run->world;

        print_message("%s: broken: %s: %s\n", world->name, promise, path);
        print_disk("source", &world->source);
        print_disk("target at the start", &run->start);
        print_list("modules", &world->modules);
        print_list("seen", &world->seen);
        print_list("extra paths", &world->scope.extra_paths);
        print_message("-- running=%s complete=%d prune=%d free=%" PRIu64 " cluster=%u%s%s\n",
                      world->running, world->source_complete, world->prune, world->free,
                      world->cluster, run->plan.full ? " FULL" : "",
                      run->plan.retires_first ? " RETIRES FIRST" : "");
        for (size_t i = 0; i < run->found.n; i++)
                print_message("   finding %d %s %s %" PRIu64 "\n", (int) run->found.items[i].kind,
                              run->found.items[i].path, run->found.items[i].other,
                              run->found.items[i].number);
        for (size_t i = 0; i < run->plan.n; i++)
                print_message(" %s %s %s\n", i == run->at ? "*" : " ",
                              step_words[run->plan.steps[i].kind], run->plan.steps[i].path);
        fail();
}

static void require(const struct run *run, bool ok, const char *promise, const char *path) {
        if (!ok)
                run_fail(run, promise, path);
}

static bool has_finding(const struct run *run, enum finding_kind kind) {
        for (size_t i = 0; i < run->found.n; i++)
                if (run->found.items[i].kind == kind)
                        return true;
        return false;
}

/* ---- Making the plan ---- */

static void settle(struct run *run) {
        for (size_t i = 0; i < run->diff.n; i++) {
                struct change *change = &run->diff.changes[i];
                const struct node *a, *b;

                if (change->kind != CHANGE_COMPARE)
                        continue;
                a = disk_find(&run->world->source, change->source->path);
                b = disk_find(&run->world->target, change->target->path);
                diff_settle(change, a->content == b->content && a->size == b->size);
        }
}

static void run_start(struct run *run, struct world *world) {
        struct pathset everything = PATHSET_INIT;
        struct plan_input input;

        *run = (struct run){ .world = world, .at = SIZE_MAX };
        disk_copy(&run->start, &world->target);
        disk_scan(&world->source, &world->scope, &run->source);
        disk_scan(&world->target, &world->scope, &run->target);
        assert_int_equal(diff_build(&run->source, &run->target,
                                    world->has_baseline ? &world->baseline : NULL, &run->diff),
                         0);
        settle(run);
        for (size_t i = 0; i < world->seen.n; i++)
                assert_int_equal(witness_add(&run->witness, world->seen.items[i]), 0);
        witness_forget_present(&run->witness, &run->source);

        everything.paths = (struct strlist){ (char *[]){ (char *) "" }, 1, 0 };
        input = (struct plan_input){
                .scope = &world->scope,
                .source = &run->source,
                .target = &run->target,
                .diff = &run->diff,
                .modules = &world->modules,
                .witness = &run->witness,
                .newest = guard_newest_kernel(&world->modules),
                .running = world->running,
                .source_complete = world->source_complete,
                .vouched = world->prune ? &everything : NULL,
                .fat = world->fat,
                .free = world->free,
                .cluster = world->cluster,
        };
        assert_non_null(input.newest);
        assert_int_equal(plan_build(&input, &run->plan, &run->found), 0);
        run->room = (int64_t) world->free;
}

/* ---- What may be removed ---- */

/* What is at path or above it is a file on one side and a directory on the other. */
static bool is_clash(const struct run *run, const char *path) {
        _cleanup_free_ char *at = strdup(path);

        while (at[0]) {
                const struct node *a = disk_find(&run->world->source, at);
                const struct node *b = disk_find(&run->start, at);

                if (a && b && a->kind != b->kind && a->kind != NODE_OTHER)
                        return true;
                at[relpath_dir_length(at)] = '\0';
        }
        return false;
}

static bool was_seen(const struct run *run, const char *path) {
        _cleanup_free_ char *key = entry_identity(path);

        for (size_t i = 0; i < run->world->seen.n; i++) {
                _cleanup_free_ char *seen = entry_identity(run->world->seen.items[i]);

                if ((relpath_below(key, seen) || relpath_below(path, run->world->seen.items[i])) &&
                    !disk_find(&run->world->source, run->world->seen.items[i]))
                        return true;
        }
        return run->world->prune ||
               guard_version_gone(&run->world->scope, key, &run->world->modules);
}

/* Whether a disk has the entry in any form. */
static size_t count_forms(const struct disk *disk, const char *path) {
        _cleanup_free_ char *key = entry_identity(path);
        size_t n = 0;

        for (size_t i = 0; i < disk->n; i++) {
                _cleanup_free_ char *other = NULL;

                if (disk->nodes[i].kind != NODE_FILE ||
                    strncasecmp(disk->nodes[i].path, key, relpath_dir_length(key)) != 0)
                        continue;
                other = entry_identity(disk->nodes[i].path);
                n += relpath_equal(other, key);
        }
        return n;
}

static bool plan_removes(const struct run *run, const char *path) {
        for (size_t i = 0; i < run->plan.n; i++)
                if (run->plan.steps[i].kind == STEP_UNLINK &&
                    relpath_equal(run->plan.steps[i].path, path))
                        return true;
        return false;
}

/* An entry names something that goes: it could not boot. */
static bool would_dangle(const struct run *run, const struct node *entry) {
        for (size_t i = 0; i < entry->refs.n; i++)
                if (plan_removes(run, entry->refs.items[i]))
                        return true;
        return false;
}

static bool source_has_key(const struct run *run, const char *path) {
        return count_forms(&run->world->source, path) > 0;
}

static bool is_frozen(const struct run *run) {
        return !run->world->source_complete ||
               !guard_source_bootable(&run->world->scope, &run->source,
                                      guard_newest_kernel(&run->world->modules));
}

static bool is_entry_class(enum scope_class class) {
        return class == SCOPE_ENTRY || class == SCOPE_UKI;
}

/* One of several forms goes, and the one that stays was put right before, or was there before. */
static bool is_surplus(const struct run *run, const char *path) {
        return count_forms(&run->world->target, path) > 1 && source_has_key(run, path);
}

/* Called before the node goes. */
static void check_removal(const struct run *run, const struct node *node) {
        const char *path = node->path;
        _cleanup_free_ char *key = entry_identity(path);
        enum scope_class class = scope_classify(&run->world->scope, path, node->kind == NODE_DIR);
        char version[SCOPE_VERSION_SIZE];

        require(run, class != SCOPE_OUTSIDE && class != SCOPE_WAY, "c: out of scope", path);
        if (class == SCOPE_LEFTOVER)
                return;
        require(run, !run->plan.full, "h: a plan that does not fit removes", path);
        if (is_entry_class(class) && is_surplus(run, path))
                return;

        require(run, !is_frozen(run), "c: a source in doubt removes", path);
        require(run,
                !run->world->running[0] ||
                        !scope_version(&run->world->scope, is_entry_class(class) ? key : path,
                                       version) ||
                        strcmp(version, run->world->running) != 0,
                "d: of the running kernel", path);
        if (is_clash(run, path))
                return;
        if (is_entry_class(class) && would_dangle(run, node))
                return;
        require(run, !source_has_key(run, path), "c: the source has it", path);
        require(run, was_seen(run, path), "c: nobody saw it go", path);
}

/* ---- Doing it ---- */

static int64_t in_clusters(const struct run *run, uint64_t size) {
        uint64_t cluster = run->world->cluster;

        return (int64_t) ((size + cluster - 1) / cluster * cluster);
}

static int64_t node_room(const struct run *run, const struct node *node) {
        return !node ? 0 : in_clusters(run, node->kind == NODE_DIR ? 1 : node->size);
}

static void take_room(struct run *run, int64_t bytes, const char *path) {
        run->room -= bytes;
        require(run, run->room >= 0, "e: no room", path);
}

static bool has_parent(const struct run *run, const char *path) {
        _cleanup_free_ char *dir = strndup(path, relpath_dir_length(path));
        const struct node *node = disk_find(&run->world->target, dir);

        return !dir[0] || (node && node->kind == NODE_DIR);
}

static void do_removal(struct run *run, const struct step *step) {
        struct disk *disk = &run->world->target;
        const struct node *node = disk_find(disk, step->path);
        bool is_dir = step->kind == STEP_RMDIR;

        require(run, node, "removes what is not there", step->path);
        require(run, (node->kind == NODE_DIR) == is_dir, "removes a file as a directory or so",
                step->path);
        require(run, !is_dir || disk_is_empty_dir(disk, step->path), "directory is not empty",
                step->path);
        check_removal(run, node);
        run->room += node_room(run, node);
        disk_remove(disk, step->path);
}

static void do_mkdir(struct run *run, const struct step *step) {
        require(run, !disk_find(&run->world->target, step->path), "mkdir: is there", step->path);
        require(run, has_parent(run, step->path), "mkdir: no parent", step->path);
        require(run, scope_classify(&run->world->scope, step->path, true) != SCOPE_OUTSIDE,
                "c: mkdir out of scope", step->path);
        take_room(run, in_clusters(run, 1) * 2, step->path);
        disk_mkdir(&run->world->target, step->path);
}

static void do_put(struct run *run, const struct step *step) {
        const struct node *old = disk_find(&run->world->target, step->path);
        const struct node *new = disk_find(&run->world->source, step->change->source->path);
        enum scope_class class = scope_classify(&run->world->scope, step->path, false);
        int64_t freed = node_room(run, old);

        require(run, new &&new->kind == NODE_FILE, "put: no such source", step->path);
        require(run, has_parent(run, step->path), "put: no parent", step->path);
        require(run, !old || old->kind == NODE_FILE, "put: onto a directory", step->path);
        require(run, class >= SCOPE_PAYLOAD && class <= SCOPE_UKI, "c: put out of scope",
                step->path);
        require(run, is_entry_class(class) == step->entry, "entry or not", step->path);
        require(run,
                !old || old->content != new->content || old->size != new->size ||
                        count_forms(&run->start, step->path) > 1,
                "put: is the same already", step->path);
        take_room(run, in_clusters(run, new->size) + in_clusters(run, 1), step->path);
        run->room += freed;
        disk_copy_node(&run->world->target, step->path, new);
        disk_find(&run->world->target, step->path)->mark = is_entry_class(class);
}

static bool is_entry_node(const struct run *run, const struct node *node) {
        return node->kind == NODE_FILE &&
               is_entry_class(scope_classify(&run->world->scope, node->path, false));
}

static size_t count_complete(const struct run *run) {
        size_t n = 0;

        for (size_t i = 0; i < run->world->target.n; i++) {
                const struct node *node = &run->world->target.nodes[i];

                n += is_entry_node(run, node) && disk_entry_complete(&run->world->target, node);
        }
        return n;
}

static void check_forms(const struct run *run, const struct node *entry) {
        const struct step *now = &run->plan.steps[run->at], *next = now + 1;
        _cleanup_free_ char *key = entry_identity(entry->path), *of_now = NULL, *of_next = NULL;
        size_t forms = count_forms(&run->world->target, entry->path);

        if (forms < 2 || count_forms(&run->start, entry->path) > 1)
                return;
        of_now = entry_identity(now->path);
        of_next = run->at + 1 < run->plan.n ? entry_identity(next->path) : strdup("");
        require(run,
                forms == 2 && now->kind == STEP_PUT && relpath_equal(of_now, key) &&
                        run->at + 1 < run->plan.n && next->kind == STEP_UNLINK &&
                        relpath_equal(of_next, key),
                "f: two forms", entry->path);
}

static void check_prefix(const struct run *run) {
        for (size_t i = 0; i < run->world->target.n; i++) {
                const struct node *node = &run->world->target.nodes[i];

                if (!is_entry_node(run, node))
                        continue;
                require(run, !node->mark || disk_entry_complete(&run->world->target, node),
                        "a: not complete", node->path);
                check_forms(run, node);
        }
        require(run, !run->had_complete || count_complete(run) > 0, "b: nothing boots", "");
}

static void mark_complete(struct run *run) {
        for (size_t i = 0; i < run->world->target.n; i++) {
                struct node *node = &run->world->target.nodes[i];

                node->mark =
                        is_entry_node(run, node) && disk_entry_complete(&run->world->target, node);
        }
        run->had_complete = count_complete(run) > 0;
}

static void run_steps(struct run *run) {
        uint64_t bytes = 0;

        mark_complete(run);
        for (size_t i = 0; i < run->plan.n; i++) {
                const struct step *step = &run->plan.steps[i];

                run->at = i;
                require(run, !run->plan.full || step->kind == STEP_UNLINK, "h: full, and writes",
                        step->path);
                switch (step->kind) {
                case STEP_UNLINK:
                case STEP_RMDIR:
                        do_removal(run, step);
                        break;
                case STEP_MKDIR:
                        do_mkdir(run, step);
                        break;
                case STEP_PUT:
                        do_put(run, step);
                        bytes += step->change->source->size;
                        break;
                }
                check_prefix(run);
        }
        require(run, bytes == run->plan.bytes, "bytes do not add up", "");
        require(run, !run->plan.full || has_finding(run, FINDING_TARGET_FULL), "full, not told",
                "");
        run->world->free = (uint64_t) run->room;
}

/* ---- At the end ---- */

static bool takes_part(const struct item *item) {
        return item->class != SCOPE_WAY && item->class != SCOPE_LEFTOVER;
}

/* Every item of a has its like in b. */
static void check_held(const struct run *run, const struct disk *disk_a, const struct disk *disk_b,
                       const struct manifest *a, const struct manifest *b) {
        for (size_t i = 0; i < a->n; i++) {
                const struct item *mine = &a->items[i], *other;
                const struct node *x, *y;
                size_t n_mine, n_other;

                if (!takes_part(mine) || mine->type == ITEM_OTHER)
                        continue;
                mine = manifest_forms(a, mine->key, &n_mine);
                mine = item_best_form(mine, n_mine);
                other = manifest_forms(b, mine->key, &n_other);
                require(run, other, "g: only on one side", mine->path);
                other = item_best_form(other, n_other);
                x = disk_find(disk_a, mine->path);
                y = disk_find(disk_b, other->path);
                require(run,
                        x->kind == y->kind && x->content == y->content &&
                                (x->kind == NODE_DIR || x->size == y->size),
                        "g: differs", mine->path);
        }
}

/* Only if nothing was held back. */
static void check_equal(const struct run *run) {
        _cleanup_manifest_ struct manifest target;

        disk_scan(&run->world->target, &run->world->scope, &target);
        check_held(run, &run->world->source, &run->world->target, &run->source, &target);
        check_held(run, &run->world->target, &run->world->source, &target, &run->source);
        for (size_t i = 0; i < target.n; i++)
                require(run, target.items[i].class != SCOPE_LEFTOVER, "g: a leftover stays",
                        target.items[i].path);
}

/* What is outside of the scope is as it was. */
static void check_foreign(const struct run *run, const struct disk *before,
                          const struct disk *after) {
        for (size_t i = 0; i < before->n; i++) {
                const struct node *node = &before->nodes[i], *now;

                if (scope_classify(&run->world->scope, node->path, node->kind == NODE_DIR) !=
                    SCOPE_OUTSIDE)
                        continue;
                now = disk_find(after, node->path);
                require(run, now && now->kind == node->kind && now->content == node->content,
                        "c: a foreign path changed", node->path);
        }
}

static void note_steps(const struct run *run, struct outcome *outcome) {
        for (size_t i = 0; i < run->plan.n; i++) {
                _cleanup_free_ char *line = NULL;

                assert_true(asprintf(&line, "%s %s", step_words[run->plan.steps[i].kind],
                                     run->plan.steps[i].path) > 0);
                assert_int_equal(strlist_add(&outcome->steps, line), 0);
        }
}

static void note_findings(const struct run *run, struct outcome *outcome) {
        for (size_t i = 0; i < run->found.n; i++) {
                const struct finding *finding = &run->found.items[i];
                _cleanup_free_ char *line = NULL;

                assert_true(asprintf(&line, "%d%s%s%s%s", (int) finding->kind,
                                     finding->path[0] ? " " : "", finding->path,
                                     finding->other[0] ? " " : "", finding->other) > 0);
                assert_int_equal(strlist_add(&outcome->found, line), 0);
        }
}

static void note_outcome(struct run *run, struct outcome *outcome) {
        outcome->n_steps = run->plan.n;
        outcome->mood = run->plan.full                          ? MOOD_FULL
                        : has_finding(run, FINDING_TARGET_FULL) ? MOOD_PARTLY
                        : run->plan.retires_first               ? MOOD_RETIRES_FIRST
                                                                : MOOD_NORMAL;
        note_steps(run, outcome);
        note_findings(run, outcome);
        if (run->found.n == 0 && run->world->source_complete) {
                check_equal(run);
                outcome->equal = true;
        }
}

/* A round that had to leave something undone may find it possible once the rest is done. */
static bool may_go_on(const struct run *run) {
        return has_finding(run, FINDING_IN_THE_WAY) || has_finding(run, FINDING_TARGET_FULL);
}

void world_run(struct world *world, struct outcome *ret_outcome) {
        bool more = true, allowed = true;

        *ret_outcome = (struct outcome){ 0 };
        for (size_t round = 0; more; round++) {
                struct run run;

                run_start(&run, world);
                more = run.plan.n > 0;
                require(&run, !more || allowed, "g: there is more to do", "");
                require(&run, round < ROUNDS_MAX, "g: it never ends", "");
                run_steps(&run);
                check_foreign(&run, &run.start, &world->target);
                check_foreign(&run, &world->target, &run.start);
                ret_outcome->rounds += more;
                allowed = may_go_on(&run);
                if (round == 0)
                        note_outcome(&run, ret_outcome);
                run_done(&run);
        }
}
