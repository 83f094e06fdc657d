# SPDX-License-Identifier: LGPL-2.1-or-later
"""EFI variables and load options, as bytes."""

import struct
import uuid

LOADER_GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"  # systemd's Loader* and Stub* variables
GLOBAL_GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # the specification's own: Boot*

ATTR_VOLATILE = 0x06  # boot service + runtime access
ATTR_STORED = 0x07    # the same, non-volatile


def variable(data, attributes=ATTR_VOLATILE):
    """What a file below efivars holds: 4 bytes of attributes, then the data."""
    return struct.pack("<I", attributes) + data


def text(value):
    """UTF-16LE with its terminating NUL."""
    return value.encode("utf-16-le") + b"\0\0"


def node(kind, subkind, data=b""):
    """One node of a device path."""
    return struct.pack("<BBH", kind, subkind, 4 + len(data)) + data


def end_node():
    """The node that ends a whole device path."""
    return node(0x7F, 0xFF)


def hd_node(partuuid, number=1, start=2048, size=131072, signature_type=2, gpt=True):
    """A hard drive media node.  A GUID is stored mixed-endian; `partuuid` may be 16 raw bytes."""
    raw = partuuid if isinstance(partuuid, bytes) else uuid.UUID(partuuid).bytes_le
    return node(0x04, 0x01, struct.pack("<IQQ", number, start, size) + raw
                + bytes([2 if gpt else 1, signature_type]))


def file_node(path="\\EFI\\systemd\\systemd-bootx64.efi"):
    """A file path media node."""
    return node(0x04, 0x04, text(path))


def vendor_node(guid="11111111-2222-3333-4444-555555555555"):
    """A vendor-defined media node: it holds a GUID that is *not* the partition's."""
    return node(0x04, 0x03, uuid.UUID(guid).bytes_le)


def pci_nodes():
    """PciRoot(0)/Pci(1f,2): the head of a path such as firmware makes by itself."""
    return node(0x02, 0x01, struct.pack("<II", 0x0A0341D0, 0)) + node(0x01, 0x01, b"\x02\x1f")


def load_option(partuuid=None, description="Linux Boot Manager", nodes=None, optional=b"",
                attributes=1):
    """A Boot#### variable's data.

    By default its path is HD(partuuid)/File; give `nodes` (bytes, with the end node) for any other
    path, for example pci_nodes() + end_node().
    """
    if nodes is None:
        nodes = (hd_node(partuuid) if partuuid else pci_nodes()) + file_node() + end_node()
    return struct.pack("<IH", attributes, len(nodes)) + text(description) + nodes + optional
