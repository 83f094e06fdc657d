/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Load options as firmware writes them, built node by node, and what becomes of them when bytes
 * are cut off or changed: never a crash, and never a GUID that is not in the HD() node.
 */
#include "base/buf.h"
#include "core/efivar.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The partition's GUID, in text and as it is stored; and another one that must not be taken. */
#define GUID "01234567-89ab-cdef-0011-223344556677"
#define GUID_BYTES "\x67\x45\x23\x01\xab\x89\xef\xcd\x00\x11\x22\x33\x44\x55\x66\x77"
#define OTHER_BYTES "\xaa\xaa\xaa\xaa\xbb\xbb\xcc\xcc\xdd\xdd\xee\xee\xee\xee\xee\xee"

static void put(struct buf *buf, const void *data, size_t size) {
        assert_int_equal(buf_append(buf, data, size), 0);
}

static void put_u8(struct buf *buf, unsigned value) {
        uint8_t byte = (uint8_t) value;

        put(buf, &byte, 1);
}

static void put_u16(struct buf *buf, size_t value) {
        put_u8(buf, value & 0xff);
        put_u8(buf, value >> 8 & 0xff);
}

static void put_u64(struct buf *buf, uint64_t value) {
        for (int i = 0; i < 64; i += 8)
                put_u8(buf, value >> i & 0xff);
}

static void put_utf16(struct buf *buf, const char *text) {
        for (; *text != '\0'; text++)
                put_u16(buf, (unsigned char) *text);
}

static void put_node(struct buf *path, unsigned type, unsigned subtype, const void *data,
                     size_t size) {
        put_u8(path, type);
        put_u8(path, subtype);
        put_u16(path, size + 4);
        put(path, data, size);
}

static void put_hd(struct buf *path, unsigned format, unsigned signature_type, const char *guid) {
        _cleanup_buf_ struct buf node = BUF_INIT;

        put_u16(&node, 1); /* partition number, 32 bits */
        put_u16(&node, 0);
        put_u64(&node, 2048);
        put_u64(&node, 1048576);
        put(&node, guid, 16);
        put_u8(&node, format);
        put_u8(&node, signature_type);
        put_node(path, 0x04, 0x01, node.data, node.size);
}

static void put_file(struct buf *path, const char *name) {
        _cleanup_buf_ struct buf node = BUF_INIT;

        put_utf16(&node, name);
        put_u16(&node, 0);
        put_node(path, 0x04, 0x04, node.data, node.size);
}

static void put_pci_root(struct buf *path) {
        put_node(path, 0x02, 0x01, "\xd0\x41\x03\x0a\x00\x00\x00\x00", 8); /* PciRoot(0) */
        put_node(path, 0x01, 0x01, "\x00\x1f", 2);                         /* Pci(0x1f,0) */
}

static void put_end(struct buf *path) {
        put_node(path, 0x7f, 0xff, NULL, 0);
}

/* A load option around a path list, with the four bytes of efivarfs in front. */
static void put_option(struct buf *buf, const char *description, const struct buf *path,
                       const void *optional, size_t optional_size) {
        put(buf, "\x07\x00\x00\x00", 4);
        put(buf, "\x01\x00\x00\x00", 4);
        put_u16(buf, path->size);
        put_utf16(buf, description);
        put_u16(buf, 0);
        put(buf, path->data, path->size);
        put(buf, optional, optional_size);
}

enum golden {
        PLAIN,       /* HD()/File() */
        LONG_FORM,   /* PciRoot()/Pci()/Sata()/HD()/File() */
        OTHER_GUIDS, /* GUIDs everywhere, the right one in HD() */
        OTHER_LATER, /* a second device path, and optional data, behind the first one's end */
        GOLDEN_GOOD, /* up to here: GUID is found */
        MBR = GOLDEN_GOOD,
        AUTOMATIC,   /* firmware's own entry: PciRoot only */
        VENDOR_ONLY, /* GUIDs in other nodes only */
        SECOND_INSTANCE,
        SECOND_PATH,
        LATER_DATA, /* the path has no HD(), the optional data looks like one */
        GOLDEN_COUNT,
};

static void build_path(enum golden which, struct buf *path) {
        static const char vendor[] = OTHER_BYTES GUID_BYTES;

        if (which == LONG_FORM || which == AUTOMATIC || which == SECOND_INSTANCE)
                put_pci_root(path);
        if (which == LONG_FORM)
                put_node(path, 0x03, 0x12, "\x00\x00\xff\xff\x00\x00", 6); /* Sata(0) */
        if (which == OTHER_GUIDS || which == VENDOR_ONLY) {
                put_node(path, 0x01, 0x04, vendor, sizeof(vendor) - 1); /* VenHw() */
                put_node(path, 0x04, 0x03, vendor, sizeof(vendor) - 1); /* VenMedia() */
                put_node(path, 0x04, 0x06, OTHER_BYTES, 16);            /* FvFile() */
                put_node(path, 0x04, 0x07, OTHER_BYTES, 16);            /* Fv() */
        }
        if (which < GOLDEN_GOOD)
                put_hd(path, 2, 2, GUID_BYTES);
        if (which == MBR)
                put_hd(path, 1, 1, OTHER_BYTES);
        if (which == OTHER_GUIDS)
                put_node(path, 0x04, 0x03, OTHER_BYTES, 16);
        if (which != AUTOMATIC)
                put_file(path, "\\EFI\\systemd\\systemd-bootx64.efi");
        if (which == SECOND_INSTANCE) {
                put_node(path, 0x7f, 0x01, NULL, 0);
                put_hd(path, 2, 2, OTHER_BYTES);
        }
        put_end(path);
        if (which == OTHER_LATER || which == SECOND_PATH) {
                put_hd(path, 2, 2, OTHER_BYTES);
                put_end(path);
        }
}

static void build(enum golden which, struct buf *option) {
        _cleanup_buf_ struct buf path = BUF_INIT, optional = BUF_INIT;

        build_path(which, &path);
        if (which == OTHER_GUIDS || which == OTHER_LATER || which == LATER_DATA)
                put_hd(&optional, 2, 2, OTHER_BYTES);
        put_option(option,
                   which == OTHER_GUIDS ? "HD(1,GPT,aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee)"
                                        : "Linux Boot Manager",
                   &path, optional.data, optional.size);
}

/* From memory of the very size, so that reading beyond it is seen. */
static int partition_of(const void *data, size_t size, char *ret_guid) {
        _cleanup_free_ void *copy = malloc(size > 0 ? size : 1);

        assert_non_null(copy);
        if (size > 0)
                memcpy(copy, data, size);
        return efivar_boot_partition(copy, size, ret_guid);
}

static void test_partition(void **state) {
        (void) state;

        for (enum golden which = PLAIN; which < GOLDEN_COUNT; which++) {
                _cleanup_buf_ struct buf option = BUF_INIT;
                char guid[EFIVAR_GUID_SIZE] = "untouched";

                build(which, &option);
                int r = partition_of(option.data, option.size, guid);
                if (r != (which < GOLDEN_GOOD ? 0 : EFIVAR_NO_PARTITION))
                        fail_msg("golden option %d: %d", which, r);
                assert_string_equal(guid, which < GOLDEN_GOOD ? GUID : "untouched");
        }
}

/* The very bytes, written out by hand: the builder above could be wrong the same way. */
static void test_partition_bytes(void **state) {
        static const char option[] = "\x07\x00\x00\x00"                 /* efivarfs attributes */
                                     "\x01\x00\x00\x00"                 /* LOAD_OPTION_ACTIVE */
                                     "\x3a\x00"                         /* 42 + 12 + 4 */
                                     "L\0\0\0"                          /* description */
                                     "\x04\x01\x2a\x00"                 /* HD(), 42 bytes */
                                     "\x01\x00\x00\x00"                 /* partition number */
                                     "\x00\x08\x00\x00\x00\x00\x00\x00" /* start */
                                     "\x00\x00\x10\x00\x00\x00\x00\x00" /* size */
                                     "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11" /* signature */
                                     "\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"
                                     "\x02\x02"                       /* GPT, GUID */
                                     "\x04\x04\x0c\x00\\\0a\0b\0\0\0" /* File(\ab) */
                                     "\x7f\xff\x04\x00";              /* end */
        char guid[EFIVAR_GUID_SIZE];

        (void) state;
        assert_int_equal(partition_of(option, sizeof(option) - 1, guid), 0);
        assert_string_equal(guid, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
}

/* Whatever a mangled option yields: no GUID but the HD() node's own bytes. */
static void check_mangled(const struct buf *golden, const struct buf *mangled, size_t changed) {
        char guid[EFIVAR_GUID_SIZE] = "untouched";
        int r = partition_of(mangled->data, mangled->size, guid);

        if (r != 0) {
                assert_true(r == EFIVAR_NO_PARTITION || r == -EBADMSG);
                assert_string_equal(guid, "untouched");
                return;
        }
        if (strcmp(guid, GUID) == 0)
                return;
        /* Another GUID is right only if the change was made in it. */
        const char *hd = memmem(golden->data, golden->size, "\x04\x01\x2a\x00", 4);
        assert_non_null(hd);
        size_t offset = (size_t) (hd - golden->data) + 24;
        assert_true(changed >= offset && changed < offset + 16);
}

static void test_truncated(void **state) {
        (void) state;

        for (enum golden which = PLAIN; which < GOLDEN_COUNT; which++) {
                _cleanup_buf_ struct buf option = BUF_INIT, path = BUF_INIT;

                build(which, &option);
                build_path(which, &path);
                for (size_t size = 0; size < option.size; size++) {
                        struct buf cut = { .data = option.data, .size = size };

                        check_mangled(&option, &cut, SIZE_MAX);
                }
                /* Without its last byte, the path list does not fit. */
                char guid[EFIVAR_GUID_SIZE];
                size_t end =
                        (size_t) ((char *) memmem(option.data, option.size, path.data, path.size) -
                                  option.data) +
                        path.size;
                assert_int_equal(partition_of(option.data, end - 1, guid), -EBADMSG);
        }
}

static void test_changed_bytes(void **state) {
        (void) state;

        for (enum golden which = PLAIN; which < GOLDEN_GOOD; which++) {
                _cleanup_buf_ struct buf option = BUF_INIT;

                build(which, &option);
                for (size_t i = 0; i < option.size; i++) {
                        _cleanup_buf_ struct buf mangled = BUF_INIT;
                        char kept = option.data[i];
                        const char values[] = { 0,
                                                (char) 0xff,
                                                (char) ~kept,
                                                (char) (kept ^ 1),
                                                (char) (kept ^ 0x80),
                                                (char) (kept + 1) };

                        put(&mangled, option.data, option.size);
                        for (size_t j = 0; j < sizeof(values); j++) {
                                mangled.data[i] = values[j];
                                check_mangled(&option, &mangled, i);
                        }
                }
        }
}

/* Lengths that lie, one by one. */
static void test_bad_paths(void **state) {
        static const struct {
                const char *path;
                size_t size;
                int r;
        } golden[] = {
                { "", 0, -EBADMSG },
                { "\x7f\xff\x04\x00", 4, EFIVAR_NO_PARTITION },
                { "\x7f\xff\x04", 3, -EBADMSG },
                { "\x7f\xff\x03\x00", 4, -EBADMSG },
                { "\x7f\xff\x00\x00", 4, -EBADMSG },
                { "\x7f\xff\x05\x00", 4, -EBADMSG },
                { "\x04\x01\x04\x00\x7f\xff\x04\x00", 8, -EBADMSG }, /* HD() of 4 bytes */
                { "\x04\x04\x04\x00", 4, -EBADMSG },                 /* no end */
                { "\x04\x04\x00\x00\x7f\xff\x04\x00", 8, -EBADMSG }, /* would not get on */
                { "\x04\x04\xff\xff\x7f\xff\x04\x00", 8, -EBADMSG },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                _cleanup_buf_ struct buf option = BUF_INIT, path = BUF_INIT;
                char guid[EFIVAR_GUID_SIZE];

                put(&path, golden[i].path, golden[i].size);
                put_option(&option, "x", &path, NULL, 0);
                if (partition_of(option.data, option.size, guid) != golden[i].r)
                        fail_msg("path %zu", i);
        }
}

static int guid_of(const char *text, bool terminated, size_t more, char *ret_guid) {
        _cleanup_buf_ struct buf variable = BUF_INIT;

        put(&variable, "\x06\x00\x00\x00", 4);
        put_utf16(&variable, text);
        if (terminated)
                put_u16(&variable, 0);
        put(&variable, "\0\0\0\0", more);
        _cleanup_free_ void *copy = malloc(variable.size);
        assert_non_null(copy);
        memcpy(copy, variable.data, variable.size);
        return efivar_guid_text(copy, variable.size, ret_guid);
}

static void test_guid_text(void **state) {
        char guid[EFIVAR_GUID_SIZE] = "untouched", text[] = GUID;

        (void) state;
        assert_int_equal(guid_of("0123ABCD-89AB-CDEF-0011-22334455667F", true, 0, guid), 0);
        assert_string_equal(guid, "0123abcd-89ab-cdef-0011-22334455667f");
        assert_int_equal(guid_of(GUID, false, 0, guid), 0);
        assert_string_equal(guid, GUID);

        strcpy(guid, "untouched");
        assert_int_equal(guid_of("", true, 0, guid), -EBADMSG);
        assert_int_equal(guid_of(GUID, true, 1, guid), -EBADMSG);
        assert_int_equal(guid_of(GUID, true, 2, guid), -EBADMSG);
        assert_int_equal(guid_of(GUID, false, 1, guid), -EBADMSG);
        assert_int_equal(guid_of(GUID "0", true, 0, guid), -EBADMSG);
        assert_int_equal(guid_of(" " GUID, true, 0, guid), -EBADMSG);
        assert_int_equal(guid_of("{" GUID "}", true, 0, guid), -EBADMSG);
        assert_int_equal(guid_of("0123456789abcdef00112233445566770123", true, 0, guid), -EBADMSG);
        for (size_t i = 0; text[i] != '\0'; i++) {
                char kept = text[i];

                for (const char *bad = "gG/:@`xX \x7f"; *bad != '\0'; bad++) {
                        text[i] = *bad;
                        assert_int_equal(guid_of(text, true, 0, guid), -EBADMSG);
                }
                text[i] = kept == '-' ? '0' : '-';
                assert_int_equal(guid_of(text, true, 0, guid), -EBADMSG);
                text[i] = '\0';
                assert_int_equal(guid_of(text, true, 0, guid), -EBADMSG);
                text[i] = kept;
        }
        assert_string_equal(guid, "untouched");
}

/* A unit whose low byte alone is a digit is no digit. */
static void test_guid_high_bytes(void **state) {
        _cleanup_buf_ struct buf variable = BUF_INIT;
        char guid[EFIVAR_GUID_SIZE];

        (void) state;
        put(&variable, "\x06\x00\x00\x00", 4);
        put_utf16(&variable, GUID);
        for (size_t i = 0; i <= variable.size; i++)
                assert_int_equal(efivar_guid_text(variable.data, i, guid),
                                 i == variable.size ? 0 : -EBADMSG);
        for (size_t i = 5; i < variable.size; i += 2) {
                variable.data[i] = 1;
                assert_int_equal(efivar_guid_text(variable.data, variable.size, guid), -EBADMSG);
                variable.data[i] = 0;
        }
}

static void test_boot_current(void **state) {
        uint16_t number = 7;
        char name[EFIVAR_NAME_SIZE];

        (void) state;
        for (size_t size = 0; size < 10; size++)
                if (size != 6)
                        assert_int_equal(
                                efivar_boot_current("\x06\0\0\0\xcd\xab\0\0\0", size, &number),
                                -EBADMSG);
        assert_int_equal(number, 7);
        assert_int_equal(efivar_boot_current("\x06\0\0\0\xcd\xab", 6, &number), 0);
        assert_int_equal(number, 0xabcd);
        efivar_boot_name(number, name);
        assert_string_equal(name, "BootABCD-8be4df61-93ca-11d2-aa0d-00e098032b8c");
        efivar_boot_name(3, name);
        assert_string_equal(name, "Boot0003-8be4df61-93ca-11d2-aa0d-00e098032b8c");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_partition),       cmocka_unit_test(test_partition_bytes),
                cmocka_unit_test(test_truncated),       cmocka_unit_test(test_changed_bytes),
                cmocka_unit_test(test_bad_paths),       cmocka_unit_test(test_guid_text),
                cmocka_unit_test(test_guid_high_bytes), cmocka_unit_test(test_boot_current),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
