/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan-world.h"
#include <stdlib.h>
#include <string.h>
#define CASES 6000
static void test_generated(void **state) {
        size_t features[FEATURE_N] = { 0 }, moods[MOOD_N] = { 0 }, equal = 0, again = 0, from = 1, n = CASES;
        (void) state;
        if (getenv("SEED")) { from = strtoull(getenv("SEED"), NULL, 10); n = 1; }
        for (size_t i = from; i < from + n; i++) {
                bool has[FEATURE_N] = { 0 };
                _cleanup_world_ struct world world = world_generate(i, has);
                _cleanup_outcome_ struct outcome outcome;
                char name[64];
                snprintf(name, sizeof(name), "seed %zu", i);
                world.name = name;
                world_run(&world, &outcome);
                for (size_t f = 0; f < FEATURE_N; f++) features[f] += has[f];
                moods[outcome.mood]++;
                equal += outcome.equal;
                again += outcome.rounds > 1;
        }
        for (size_t f = 0; f < FEATURE_N; f++) print_message("%s %zu\n", feature_names[f], features[f]);
        print_message("normal %zu first %zu full %zu equal %zu again %zu\n", moods[0], moods[1], moods[2], equal, again);
}
int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_generated) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
