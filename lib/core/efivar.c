/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes come from firmware, so a value is walked through a span that shrinks: each step takes
 * so many bytes off its front or fails. No structure is laid over the bytes; that would need
 * their alignment to be right, and hide which length was checked where.
 *
 * A load option, behind the four bytes of efivarfs:
 *
 *   u32 attributes, u16 size of the path list, description (UTF-16, NUL-terminated),
 *   path list: device paths, of which the first counts, optional data.
 *
 * A device path is a row of nodes (u8 type, u8 subtype, u16 length with this head), ended by a node
 * of type 0x7f; with subtype 0x01 it only ends an instance. What follows the first end, of either
 * kind, is another way to another place, and no partition that was booted from.
 *
 * Left out on purpose: partitions of MBR disks, whose signature is no GUID, and expanding short
 * forms, which would need the firmware's own tables.
 */
#include "core/efivar.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ATTRIBUTES_SIZE 4U /* efivarfs puts them before each value */
#define NODE_HEAD_SIZE 4U

#define NODE_MEDIA 0x04
#define NODE_MEDIA_HD 0x01
#define NODE_END 0x7f

/* Inside an HD() node, counted from its head. */
#define HD_SIZE 42U
#define HD_SIGNATURE 24U
#define HD_SIGNATURE_TYPE 41U
#define HD_SIGNATURE_GUID 0x02

struct span {
        const uint8_t *data;
        size_t size;
};

/* Takes size bytes off the front. */
static int span_take(struct span *span, size_t size, struct span *ret_taken) {
        if (size > span->size)
                return -EBADMSG;
        *ret_taken = (struct span){ span->data, size };
        span->data += size;
        span->size -= size;
        return 0;
}

static uint16_t get_u16(const uint8_t *data) {
        return (uint16_t) (data[0] | data[1] << 8);
}

static int span_take_u16(struct span *span, uint16_t *ret_value) {
        struct span taken;

        int r = span_take(span, 2, &taken);
        if (r < 0)
                return r;
        *ret_value = get_u16(taken.data);
        return 0;
}

/* The value of a variable: what follows the attributes. */
static int span_of_variable(const void *data, size_t size, struct span *ret_value) {
        struct span span = { data, size }, attributes;

        int r = span_take(&span, ATTRIBUTES_SIZE, &attributes);
        if (r < 0)
                return r;
        *ret_value = span;
        return 0;
}

static bool is_guid_char(size_t position, uint16_t unit) {
        if (position == 8 || position == 13 || position == 18 || position == 23)
                return unit == '-';
        return (unit >= '0' && unit <= '9') || (unit >= 'a' && unit <= 'f') ||
               (unit >= 'A' && unit <= 'F');
}

int efivar_guid_text(const void *data, size_t size, char ret_guid[static EFIVAR_GUID_SIZE]) {
        char guid[EFIVAR_GUID_SIZE] = "";
        struct span span;

        int r = span_of_variable(data, size, &span);
        if (r < 0)
                return r;

        for (size_t i = 0; i < EFIVAR_GUID_SIZE - 1; i++) {
                uint16_t unit;

                r = span_take_u16(&span, &unit);
                if (r < 0)
                        return r;
                if (!is_guid_char(i, unit))
                        return -EBADMSG;
                guid[i] = (char) (unit >= 'A' && unit <= 'F' ? unit - 'A' + 'a' : unit);
        }

        if (span.size > 0 && (span.size != 2 || get_u16(span.data) != 0))
                return -EBADMSG;
        memcpy(ret_guid, guid, sizeof(guid));
        return 0;
}

int efivar_boot_current(const void *data, size_t size, uint16_t *ret_number) {
        struct span span;

        int r = span_of_variable(data, size, &span);
        if (r < 0)
                return r;
        return span.size == 2 ? span_take_u16(&span, ret_number) : -EBADMSG;
}

void efivar_boot_name(uint16_t number, char ret_name[static EFIVAR_NAME_SIZE]) {
        snprintf(ret_name, EFIVAR_NAME_SIZE, "Boot%04X-%s", number, EFIVAR_VENDOR_GLOBAL);
}

/* Takes one node, its head included. */
static int span_take_node(struct span *path, struct span *ret_node) {
        if (path->size < NODE_HEAD_SIZE)
                return -EBADMSG;

        uint16_t length = get_u16(path->data + 2);
        if (length < NODE_HEAD_SIZE)
                return -EBADMSG;
        return span_take(path, length, ret_node);
}

/* The first three fields of a GUID are stored as little-endian numbers, the rest as bytes. */
static void format_guid(const uint8_t *guid, char ret_guid[static EFIVAR_GUID_SIZE]) {
        static const uint8_t places[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
        char *p = ret_guid;

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *p++ = '-';
                p += snprintf(p, 3, "%02x", guid[places[i]]);
        }
}

/* Whether a node is a partition of a GPT disk. -EBADMSG: an HD() node of another length. */
static int is_gpt_partition(const struct span *node) {
        if (node->data[0] != NODE_MEDIA || node->data[1] != NODE_MEDIA_HD)
                return false;
        if (node->size != HD_SIZE)
                return -EBADMSG;
        return node->data[HD_SIGNATURE_TYPE] == HD_SIGNATURE_GUID;
}

/*
 * Looks for the partition up to the end of the first device path. The walk goes on behind the node
 * that was found: a path that does not reach its end is damaged, and not to be believed at all.
 */
static int find_partition(struct span path, char ret_guid[static EFIVAR_GUID_SIZE]) {
        const uint8_t *guid = NULL;

        for (;;) {
                struct span node;

                int r = span_take_node(&path, &node);
                if (r < 0)
                        return r;
                if (node.data[0] == NODE_END)
                        break;
                r = is_gpt_partition(&node);
                if (r < 0)
                        return r;
                if (r > 0 && !guid)
                        guid = node.data + HD_SIGNATURE;
        }

        if (!guid)
                return EFIVAR_NO_PARTITION;
        format_guid(guid, ret_guid);
        return 0;
}

int efivar_boot_partition(const void *data, size_t size, char ret_guid[static EFIVAR_GUID_SIZE]) {
        struct span span, attributes, path;
        uint16_t path_size, unit;

        int r = span_of_variable(data, size, &span);
        if (r < 0)
                return r;
        r = span_take(&span, sizeof(uint32_t), &attributes);
        if (r < 0)
                return r;
        r = span_take_u16(&span, &path_size);
        if (r < 0)
                return r;

        do {
                r = span_take_u16(&span, &unit);
                if (r < 0)
                        return r;
        } while (unit != 0);

        r = span_take(&span, path_size, &path);
        if (r < 0)
                return r;
        return find_partition(path, ret_guid);
}
