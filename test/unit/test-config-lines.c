/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of the configuration: what is a section, a key, a comment or a mistake, with golden
 * diagnostics, and how several files add up. Nothing here may depend on how libinih was built.
 */
#include "config-check.h"

#include "base/timespan.h"

static void test_unknown(void **state) {
        (void) state;

        expect("[Nope]\nRoot=relative\nAny=thing\nRoot=x\n", "a:1 unknown-section [Nope] =''");
        expect("[esp]\n[ESP ]\n[ESP]\n", "a:1 unknown-section [esp] =''\n"
                                         "a:2 unknown-section [ESP ] =''");
        expect("\n[ESP]\nroot=/a\nROOT=/a\nFoo=bar\nFoo=\n", "a:3 unknown-key [ESP] root='/a'\n"
                                                             "a:4 unknown-key [ESP] ROOT='/a'\n"
                                                             "a:5 unknown-key [ESP] Foo='bar'\n"
                                                             "a:6 unknown-key [ESP] Foo=''");
        expect("[Log]\nRoot=/a\n", "a:2 unknown-key [Log] Root='/a'");
        expect("Root=/a\nRoot=b\n[ESP]\nRoot=/c\n", "a:1 no-section [] Root='/a'\n"
                                                    "a:2 no-section [] Root='b'");
        expect("[Nope]\n[ESP]\nRoot=x\n",
               "a:1 unknown-section [Nope] =''\na:3 bad-value [ESP] Root='x'");
}

static void test_bad_lines(void **state) {
        (void) state;

        expect("[ESP]\nRoot\n", "a:2 bad-line [] ='Root'");
        expect("nonsense", "a:1 bad-line [] ='nonsense'");
        expect("[ESP]\n= /boot\nRoot=/a\n", "a:2 bad-line [] ='= /boot'");
        expect("[ESP\nRoot=x\n[ESP]\n", "a:1 bad-line [] ='[ESP'");
        expect("[ESP] x\n[]\n[\n]\n[E]SP]\n", "a:1 bad-line [] ='[ESP] x'\n"
                                              "a:2 bad-line [] ='[]'\n"
                                              "a:3 bad-line [] ='['\n"
                                              "a:4 bad-line [] =']'\n"
                                              "a:5 bad-line [] ='[E]SP]'");
        /* All of them, not the first only, and in an unknown section as well. */
        expect("[ESP]\none\nRoot=/a\ntwo\nBind=maybe\n[X]\nthree\n",
               "a:2 bad-line [] ='one'\na:4 bad-line [] ='two'\n"
               "a:5 bad-value [ESP] Bind='maybe'\na:6 unknown-section [X] =''\n"
               "a:7 bad-line [] ='three'");
}

/* An indented line after a key continues nothing. */
static void test_indented(void **state) {
        _cleanup_config_ struct config config;

        (void) state;
        assert_true(read_text("  [Mirror]\n\t ExtraPaths=a\n   DebounceSec=1s\n", "", &config));
        assert_int_equal(config.debounce, USEC_PER_SEC);
        assert_int_equal(config.extra_paths.n, 1);
        expect("[Mirror]\nExtraPaths=a\n  b\n", "a:3 bad-line [] ='b'");
        expect("[Mirror]\nExtraPaths=a\n\tEntryToken=EFI\n",
               "a:3 bad-value [Mirror] EntryToken='EFI'");
        expect("[ESP]\nRoot=/a\n  # Root=/b\n  ; x\n \t \n", "");
}

static void test_comments(void **state) {
        _cleanup_config_ struct config config, other;

        (void) state;
        expect("# [Nope]\n;x\n #\n[ESP] ; section\n[Log]\t; = ]\n", "");
        assert_true(
                read_text("[ESP]\nRoot=/a;b ; c;d\n[Mirror]\nExtraPaths=a\t;b\nEntryToken= t ;\n",
                          "", &config));
        assert_string_equal(config.root, "/a;b");
        assert_int_equal(config.extra_paths.n, 1);
        assert_string_equal(config.entry_tokens.items[0], "t");

        assert_true(read_text("[ESP]\nRoot=/a#b\n[Mirror]\nExtraPaths=;a #b\n", "", &other));
        assert_string_equal(other.root, "/a#b");
        assert_string_equal(other.extra_paths.items[0], ";a");
        assert_string_equal(other.extra_paths.items[1], "#b");

        expect("[ESP]\nRoot ; = /a\nRoot= ; /a\n",
               "a:2 bad-line [] ='Root'\na:3 bad-value [ESP] Root=''");
}

static void test_line_ends(void **state) {
        _cleanup_config_ struct config config, last, bom;

        (void) state;
        assert_true(
                read_text("[ESP]\r\nRoot=/a\r\n\r\n# x\r\n[Log]\r\nLevel=err\r\n", "", &config));
        assert_string_equal(config.root, "/a");
        assert_int_equal(config.level, CONFIG_LEVEL_ERR);
        assert_true(read_text("[ESP]\nRoot=/a", "", &last));
        assert_string_equal(last.root, "/a");
        assert_true(read_text("\xef\xbb\xbf[ESP]\nRoot : /b\n", "", &bom));
        assert_string_equal(bom.root, "/b");
        expect("[ESP]\r\nRoot\r\nBind=x\r\n",
               "a:2 bad-line [] ='Root'\na:3 bad-value [ESP] Bind='x'");
        expect("\r\n\n\n[ESP]\nRoot=", "a:5 bad-value [ESP] Root=''");
        expect("\xef\xbb", "a:1 bad-line [] ='\xef\xbb'");
        expect("\n\xef\xbb\xbf[ESP]\n", "a:2 bad-line [] ='\xef\xbb\xbf[ESP]'");
}

static void test_duplicates(void **state) {
        static const char twice[] = "[ESP]\nRoot=/a\n[Log]\nLevel=err\n[ESP]\n\nRoot=/b\nRoot=c\n";

        (void) state;
        expect(twice, "a:7 duplicate [ESP] Root='/b' first 2\n"
                      "a:8 duplicate [ESP] Root='c' first 2");
        expect("[ESP]\nRoot=a\nRoot=/b\n",
               "a:2 bad-value [ESP] Root='a'\na:3 duplicate [ESP] Root='/b' first 2");
        expect("[Mirror]\nExtraPaths=a\nExtraPaths=\n",
               "a:3 duplicate [Mirror] ExtraPaths='' first 2");
}

/* Lines of growing length around every likely limit: read whole, or refused whole. */
static void test_long_lines(void **state) {
        char text[1200];

        (void) state;
        for (size_t size = 150; size < 1000; size++) {
                _cleanup_config_ struct config config;
                int head = snprintf(text, sizeof(text), "[ESP]\n \tRoot=/");

                memset(text + head, 'r', size);
                strcpy(text + head + size, " ; comment\n[Log]\nLevel=err\n");
                if (!read_text(text, NULL, &config)) {
                        read_text(text, "a:2 long-line [] =''", &config);
                        assert_true(size + strlen("Root=/") > 198);
                        continue;
                }
                assert_int_equal(strlen(config.root), size + 1);
                assert_int_equal(config.level, CONFIG_LEVEL_ERR);
        }

        /* Never too long: a comment, and blanks. */
        memset(text, 'x', sizeof(text));
        text[0] = '#';
        text[sizeof(text) - 1] = '\0';
        expect(text, "");
        memset(text, ' ', sizeof(text) - 1);
        expect(text, "");
}

static void test_long_sections(void **state) {
        char text[600];

        (void) state;
        memset(text, 's', sizeof(text));
        text[0] = '[';
        strcpy(text + 60, "]\nRoot=x\n");
        _cleanup_config_ struct config config, other;
        assert_true(read_text(text, NULL, &config));

        memset(text, 'x', sizeof(text));
        memcpy(text, "[ESP]", 5);
        strcpy(text + 500, "\nRoot=/a");
        assert_false(read_text(text, NULL, &other));
}

static void expect_bytes(const char *text, size_t size, const char *expected) {
        _cleanup_config_ struct config config;

        read_files(&(struct file){ text, size }, 1, expected, &config);
}

#define EXPECT_BYTES(text, expected) expect_bytes(text, sizeof(text) - 1, expected)

static void test_nul(void **state) {
        (void) state;

        EXPECT_BYTES("\0", "a:1 nul [] =''");
        EXPECT_BYTES("[ESP]\nRoot=/a\0b\nBind=x\n", "a:2 nul [] =''\na:3 bad-value [ESP] Bind='x'");
        EXPECT_BYTES("# a\0\n[ESP\0]\nRoot=/a\0", "a:1 nul [] =''\na:2 nul [] =''\na:3 nul [] =''");
}

static bool read_two(const char *a, const char *b, const char *expected, struct config *ret) {
        const struct file files[] = { { a, strlen(a) }, { b, strlen(b) } };

        return read_files(files, 2, expected, ret);
}

static void test_several_files(void **state) {
        _cleanup_config_ struct config config, reset, first_bad, section;

        (void) state;
        assert_true(read_two("[ESP]\nRoot=/a\nBind=no\n[Mirror]\nExtraPaths=x y\n",
                             "[ESP]\nRoot=/b\n[Mirror]\nExtraPaths=z\n", "", &config));
        assert_string_equal(config.root, "/b");
        assert_false(config.bind);
        assert_int_equal(config.extra_paths.n, 1);
        assert_string_equal(config.extra_paths.items[0], "z");

        assert_true(read_two("[Mirror]\nExtraPaths=x\nEntryToken=a\n",
                             "[Mirror]\nExtraPaths=\nEntryToken=auto\n", "", &reset));
        assert_int_equal(reset.extra_paths.n, 0);
        assert_int_equal(reset.entry_tokens.n, 0);
        assert_true(reset.entry_token_auto);

        /* An error stays one, whatever a later file says; no section reaches into the next file. */
        assert_false(read_two("[ESP]\nRoot=x\n", "[ESP]\nRoot=/b\n", "a:2 bad-value [ESP] Root='x'",
                              &first_bad));
        assert_true(read_two("[ESP]\n", "Root=/b\n", "b:1 no-section [] Root='/b'", &section));
}

static void expect_two(const char *a, const char *b, const char *expected) {
        _cleanup_config_ struct config config;

        read_two(a, b, expected, &config);
}

/* Named is the setting that was made last. */
static void test_delay_order(void **state) {
        (void) state;

        expect("[Mirror]\nDebounceSec=31s\n", "a:2 delay-order [Mirror] DebounceSec='31s'");
        expect("[Mirror]\nMaxDelaySec=1s\n", "a:2 delay-order [Mirror] MaxDelaySec='1s'");
        expect("[Mirror]\nMaxDelaySec=5s\nDebounceSec=6s\n",
               "a:3 delay-order [Mirror] DebounceSec='6s'");
        expect("[Mirror]\nDebounceSec=6s\nMaxDelaySec=5s\n",
               "a:3 delay-order [Mirror] MaxDelaySec='5s'");
        expect("[Mirror]\nDebounceSec=6s\nMaxDelaySec=6s\n", "");
        expect_two("[Mirror]\nDebounceSec=1min\n", "[Mirror]\nMaxDelaySec=1min\n", "");
        expect_two("[Mirror]\n\nMaxDelaySec=5s\n", "[Mirror]\n[ESP]\n", "");
        expect_two("[Mirror]\n\nMaxDelaySec=1s\n", "[ESP]\nBind=no\n",
                   "a:3 delay-order [Mirror] MaxDelaySec='1s'");
        expect_two("[Mirror]\nDebounceSec=50s\n", "[Mirror]\nMaxDelaySec=40s\n",
                   "b:2 delay-order [Mirror] MaxDelaySec='40s'");
        /* No second complaint about what was refused anyway. */
        expect("[Mirror]\nDebounceSec=50s\nMaxDelaySec=1x\n",
               "a:3 bad-value [Mirror] MaxDelaySec='1x'");
}

/* Every byte in the place of every other one, and every truncation: no crash, no bad read. */
static void test_mangled(void **state) {
        static const char golden[] = "[ESP]\nRoot=/a ; x\r\n[Mirror]\n ExtraPaths=b c";

        (void) state;
        for (size_t i = 0; i < sizeof(golden) - 1; i++)
                for (int byte = 0; byte < 256; byte++) {
                        char text[sizeof(golden)];

                        memcpy(text, golden, sizeof(golden));
                        text[i] = (char) byte;
                        expect_bytes(text, sizeof(golden) - 1, NULL);
                        expect_bytes(text, i + 1, NULL);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unknown),     cmocka_unit_test(test_bad_lines),
                cmocka_unit_test(test_indented),    cmocka_unit_test(test_comments),
                cmocka_unit_test(test_line_ends),   cmocka_unit_test(test_duplicates),
                cmocka_unit_test(test_long_lines),  cmocka_unit_test(test_long_sections),
                cmocka_unit_test(test_nul),         cmocka_unit_test(test_several_files),
                cmocka_unit_test(test_delay_order), cmocka_unit_test(test_mangled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
