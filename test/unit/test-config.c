/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings: which value is taken, which is refused, and that the shipped file, the defaults
 * and the printed form are one.
 */
#include "config-check.h"

#include "base/timespan.h"

#define HOUR (3600 * USEC_PER_SEC)

#define DEFAULTS                                                                                   \
        "[ESP]\nRoot=/boot\nBind=yes\nBindTimeoutSec=10s\nFileSystems=vfat\n\n"                    \
        "[Mirror]\nEntryToken=auto\nDebounceSec=2s\nMaxDelaySec=30s\nRescanIntervalSec=1h\n"       \
        "ExtraPaths=\n\n[Verify]\nAfterCopy=yes\n\n[Log]\nLevel=info\n"

static void test_defaults(void **state) {
        _cleanup_config_ struct config config = { 0 }, empty = { 0 };

        (void) state;
        assert_int_equal(config_init(&config), 0);
        assert_string_equal(config.root, "/boot");
        assert_true(config.bind && config.entry_token_auto && config.after_copy);
        assert_int_equal(config.bind_timeout, 10 * USEC_PER_SEC);
        assert_int_equal(config.file_systems.n, 1);
        assert_int_equal(config.debounce, 2 * USEC_PER_SEC);
        assert_int_equal(config.max_delay, 30 * USEC_PER_SEC);
        assert_int_equal(config.rescan_interval, HOUR);
        assert_int_equal(config.entry_tokens.n + config.extra_paths.n, 0);
        assert_int_equal(config.level, CONFIG_LEVEL_INFO);
        expect_format(&config, DEFAULTS);

        assert_true(read_text("", "", &empty));
        expect_format(&empty, DEFAULTS);
}

/* The shipped file as it is, and with the # before each key gone. */
static void test_shipped(void **state) {
        _cleanup_fclose_ FILE *file = fopen(SOURCE_DIR "/conf/bootsync.conf", "r");
        _cleanup_config_ struct config plain = { 0 }, opened = { 0 };
        char text[8192], keys[8192], *to = keys;
        size_t n_keys = 0;

        (void) state;
        assert_non_null(file);
        size_t size = fread(text, 1, sizeof(text) - 1, file);
        text[size] = '\0';
        assert_true(size > 0 && size < sizeof(text) - 1);
        assert_true(read_text(text, "", &plain));
        expect_format(&plain, DEFAULTS);

        for (const char *p = text; *p != '\0'; p++) {
                bool key = *p == '#' && p[1] >= 'A' && p[1] <= 'Z' && (p == text || p[-1] == '\n');

                n_keys += key;
                if (!key)
                        *to++ = *p;
        }
        *to = '\0';
        assert_int_equal(n_keys, 11);
        assert_true(read_text(keys, "", &opened));
        expect_format(&opened, DEFAULTS);
}

/* What is printed parses to the same. */
static void test_round_trip(void **state) {
        static const char text[] =
                "[ESP]\nRoot=//boot///efi/\nBind=Off\nBindTimeoutSec=90\nFileSystems=ext4  vfat "
                "ext4\n"
                "[Mirror]\nEntryToken=fedora  0123456789abcdef0123456789abcdef fedora\n"
                "DebounceSec=500ms\nMaxDelaySec=.5min\nRescanIntervalSec=0\n"
                "ExtraPaths=//EFI//systemd/ loader/loader.conf\n"
                "[Verify]\nAfterCopy=0\n[Log]\nLevel=err\n";
        static const char printed[] =
                "[ESP]\nRoot=/boot/efi\nBind=no\nBindTimeoutSec=1min 30s\nFileSystems=ext4 vfat\n\n"
                "[Mirror]\nEntryToken=fedora 0123456789abcdef0123456789abcdef\n"
                "DebounceSec=500ms\nMaxDelaySec=30s\nRescanIntervalSec=infinity\n"
                "ExtraPaths=EFI/systemd loader/loader.conf\n\n"
                "[Verify]\nAfterCopy=no\n\n[Log]\nLevel=err\n";
        _cleanup_config_ struct config config = { 0 }, again = { 0 };

        (void) state;
        assert_true(read_text(text, "", &config));
        expect_format(&config, printed);
        assert_false(config.entry_token_auto);
        assert_int_equal(config.rescan_interval, TIMESPAN_INFINITY);
        assert_int_equal(config.level, CONFIG_LEVEL_ERR);
        assert_true(read_text(printed, "", &again));
        expect_format(&again, printed);
}

/* One key with one value: taken, and printed as expected; or refused with the offending word. */
static void expect_taken(const char *section, const char *assignment, const char *printed) {
        _cleanup_buf_ struct buf text = BUF_INIT, found = BUF_INIT;
        _cleanup_config_ struct config config = { 0 };

        assert_int_equal(buf_appendf(&text, "[%s]\n%s\n", section, assignment), 0);
        if (!read_text(buf_string(&text), "", &config))
                fail();
        assert_int_equal(config_format(&found, &config), 0);
        if (!strstr(buf_string(&found), printed))
                fail_msg("%s: no '%s' in %s", assignment, printed, buf_string(&found));
}

static void expect_refused(const char *section, const char *key, const char *value,
                           const char *problem, const char *word) {
        _cleanup_buf_ struct buf text = BUF_INIT, expected = BUF_INIT;

        assert_int_equal(buf_appendf(&text, "[%s]\n%s=%s\n", section, key, value), 0);
        assert_int_equal(buf_appendf(&expected, "a:2 %s [%s] %s='%s'", problem, section, key, word),
                         0);
        expect(buf_string(&text), buf_string(&expected));
}

static void test_root(void **state) {
        static const char *const bad[] = {
                "",       "/",     "//",        "boot",    "./boot",  "/boot/..", "/..",  "/./boot",
                "/bo ot", "/b\tt", "/boot\x01", "/b\x7ft", "/a/../b", "/.",       "auto",
        };

        (void) state;
        expect_taken("ESP", "Root=/efi", "\nRoot=/efi\n");
        expect_taken("ESP", "Root=//boot//efi//", "\nRoot=/boot/efi\n");
        expect_taken("ESP", "Root=/...", "\nRoot=/...\n");
        expect_taken("ESP", "  Root \t=  /efi \t", "\nRoot=/efi\n");
        expect_taken("ESP", "Root=/\xc3\xa4", "\nRoot=/\xc3\xa4\n");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                expect_refused("ESP", "Root", bad[i], "bad-value", bad[i]);
}

static void test_booleans(void **state) {
        static const char *const yes[] = { "yes", "y", "true", "t", "on", "1", "YES", "True" };
        static const char *const no[] = { "no", "n", "false", "f", "off", "0", "NO", "oFF" };
        static const char *const bad[] = { "", "2", "01", "maybe", "yess", "ye", "-1", "yes no" };
        char line[32];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                snprintf(line, sizeof(line), "Bind=%s", yes[i]);
                expect_taken("ESP", line, "\nBind=yes\n");
                snprintf(line, sizeof(line), "AfterCopy=%s", no[i]);
                expect_taken("Verify", line, "\nAfterCopy=no\n");
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                expect_refused("ESP", "Bind", bad[i], "bad-value", bad[i]);
                expect_refused("Verify", "AfterCopy", bad[i], "bad-value", bad[i]);
        }
}

static void test_spans(void **state) {
        static const char *const bad[][3] = {
                { "ESP", "BindTimeoutSec", "3600001ms" },
                { "ESP", "BindTimeoutSec", "infinity" },
                { "ESP", "BindTimeoutSec", "" },
                { "ESP", "BindTimeoutSec", "-1" },
                { "ESP", "BindTimeoutSec", "10 parsecs" },
                { "Mirror", "DebounceSec", "3600000001us" },
                { "Mirror", "DebounceSec", "infinity" },
                { "Mirror", "MaxDelaySec", "99999us" },
                { "Mirror", "MaxDelaySec", "0" },
                { "Mirror", "MaxDelaySec", "86400000001us" },
                { "Mirror", "MaxDelaySec", "infinity" },
                { "Mirror", "RescanIntervalSec", "999999us" },
                { "Mirror", "RescanIntervalSec", "366d" },
                { "Mirror", "RescanIntervalSec", "99999999999999999999" },
                { "Mirror", "RescanIntervalSec", "never" },
        };

        (void) state;
        expect_taken("ESP", "BindTimeoutSec=0", "\nBindTimeoutSec=0\n");
        expect_taken("ESP", "BindTimeoutSec=1h", "\nBindTimeoutSec=1h\n");
        expect_taken("Mirror", "DebounceSec=0", "\nDebounceSec=0\n");
        expect_taken("Mirror", "DebounceSec=1h\nMaxDelaySec=1d", "\nDebounceSec=1h\n");
        expect_taken("Mirror", "MaxDelaySec=100ms\nDebounceSec=100ms", "\nMaxDelaySec=100ms\n");
        expect_taken("Mirror", "RescanIntervalSec=1", "\nRescanIntervalSec=1s\n");
        expect_taken("Mirror", "RescanIntervalSec=1week", "\nRescanIntervalSec=1w\n");
        expect_taken("Mirror", "RescanIntervalSec=365d", "\nRescanIntervalSec=52w 1d\n");
        expect_taken("Mirror", "RescanIntervalSec=infinity", "\nRescanIntervalSec=infinity\n");
        expect_taken("Mirror", "RescanIntervalSec=0s", "\nRescanIntervalSec=infinity\n");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                expect_refused(bad[i][0], bad[i][1], bad[i][2], "bad-value", bad[i][2]);
}

static void test_words(void **state) {
        static const char *const levels[] = { "err", "warning", "notice", "info", "debug" };
        static const char *const bad_tokens[] = {
                "EFI", "efi", "loader", "LOADER", ".",     "..",   ".a", "a/b",
                "/a",  "a.",  "a:b",    "a\\b",   "a\xff", "Auto", "a*",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
                char line[32], printed[32];

                snprintf(line, sizeof(line), "Level=%s", levels[i]);
                snprintf(printed, sizeof(printed), "\nLevel=%s\n", levels[i]);
                expect_taken("Log", line, printed);
        }
        expect_refused("Log", "Level", "Info", "bad-value", "Info");
        expect_refused("Log", "Level", "6", "bad-value", "6");
        expect_refused("Log", "Level", "", "bad-value", "");

        expect_refused("ESP", "FileSystems", "", "bad-value", "");
        expect_refused("ESP", "FileSystems", "vfat btrfs ntfs", "bad-value", "btrfs");
        expect_refused("ESP", "FileSystems", "VFAT", "bad-value", "VFAT");

        expect_taken("Mirror", "EntryToken=auto", "\nEntryToken=auto\n");
        expect_taken("Mirror", "EntryToken=a b\ta", "\nEntryToken=a b\n");
        expect_taken("Mirror", "EntryToken=efi2 loader-x", "\nEntryToken=efi2 loader-x\n");
        expect_refused("Mirror", "EntryToken", "", "bad-value", "");
        expect_refused("Mirror", "EntryToken", "auto fedora", "bad-value", "auto");
        expect_refused("Mirror", "EntryToken", "fedora auto", "bad-value", "auto");
        for (size_t i = 0; i < ELEMENTSOF(bad_tokens); i++)
                expect_refused("Mirror", "EntryToken", bad_tokens[i], "bad-value", bad_tokens[i]);
}

static void test_extra_paths(void **state) {
        static const char *const good[] = {
                "loader/loader.conf",
                "loader/entries/arch.conf",
                "EFI/Linux/arch.efi",
                "vmlinuz-linux",
                "EFI/systemd",
                "loader/addons",
                "loader/keys2",
                "EFI/Microsoft2",
                "FSCK",
                "FSCK.RECS",
                "loader/random-seed.txt",
                "EFI/Linux-old",
                "a/...b",
                "xFSCK0000.REC",
                "System",
        };
        static const char *const forbidden[] = {
                "/",
                "//",
                "loader",
                "/loader/",
                "EFI",
                "efi",
                "LOADER",
                "loader/random-seed",
                "Loader//Random-Seed",
                "loader/random-seed/x",
                "loader/entries.srel",
                "loader/keys",
                "loader/keys/auto/PK.auth",
                "EFI/Microsoft",
                "EFI/microsoft/Boot/BCD",
                "loader/entries",
                "EFI/Linux",
                "efi/linux/",
                "FSCK0000.REC",
                "fsck0001.rec",
                "a/FSCK0000.REC/b",
                "FSCK.REC",
        };
        static const char *const bad[] = {
                ".",  "..",   "a/..",  "../a", "a/./b", "/./",
                "a.", "a./b", "a/b:c", "a\\b", "\xff",  "a*",
        };
        char line[80], printed[80];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                snprintf(line, sizeof(line), "ExtraPaths=/%s/", good[i]);
                snprintf(printed, sizeof(printed), "\nExtraPaths=%s\n", good[i]);
                expect_taken("Mirror", line, printed);
        }
        for (size_t i = 0; i < ELEMENTSOF(forbidden); i++) {
                snprintf(line, sizeof(line), "good %s", forbidden[i]);
                expect_refused("Mirror", "ExtraPaths", line, "forbidden", forbidden[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                snprintf(line, sizeof(line), "good %s EFI", bad[i]);
                expect_refused("Mirror", "ExtraPaths", line, "bad-value", bad[i]);
        }
}

static void test_problems(void **state) {
        (void) state;

        for (enum config_problem p = CONFIG_UNKNOWN_SECTION; p <= CONFIG_DELAY_ORDER; p++)
                assert_int_equal(config_problem_is_error(p), p > CONFIG_NO_SECTION);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),   cmocka_unit_test(test_shipped),
                cmocka_unit_test(test_round_trip), cmocka_unit_test(test_root),
                cmocka_unit_test(test_booleans),   cmocka_unit_test(test_spans),
                cmocka_unit_test(test_words),      cmocka_unit_test(test_extra_paths),
                cmocka_unit_test(test_problems),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
