# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where things lie on a FAT image, in 512-byte sectors: for tests that break single sectors."""

import mmap
import struct

_LAST = {16: 0xFFF8, 32: 0x0FFFFFF8}


class Fat:
    """A reader of one image, FAT16 or FAT32, as it is on the disk at this moment."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (self.sector, per_cluster, reserved, copies, root_entries, small, _, fat16) = \
            struct.unpack_from("<HBHBHHBH", self._data, 11)
        fat32, = struct.unpack_from("<I", self._data, 36)
        total = small or struct.unpack_from("<I", self._data, 32)[0]
        self.cluster = per_cluster * self.sector
        self.fat_start, self.fat_size = reserved * self.sector, (fat16 or fat32) * self.sector
        self._root_start = self.fat_start + copies * self.fat_size
        self._root_size = root_entries * 32
        self._data_start = self._root_start + self._root_size
        self.bits = 16 if fat16 else 32
        self._root_cluster = 0 if fat16 else struct.unpack_from("<I", self._data, 44)[0]
        self.end = total * self.sector
        self.copies = copies

    def _next(self, cluster):
        if self.bits == 16:
            return struct.unpack_from("<H", self._data, self.fat_start + 2 * cluster)[0]
        return struct.unpack_from("<I", self._data, self.fat_start + 4 * cluster)[0] & 0x0FFFFFFF

    def _chain(self, cluster):
        """(start, size) in bytes of each cluster from this one on."""
        seen = set()
        while 2 <= cluster < _LAST[self.bits] and cluster not in seen:
            seen.add(cluster)
            yield self._data_start + (cluster - 2) * self.cluster, self.cluster
            cluster = self._next(cluster)

    def _extents(self, cluster):
        if cluster == 0:
            return [(self._root_start, self._root_size)] if self.bits == 16 else \
                list(self._chain(self._root_cluster))
        return list(self._chain(cluster))

    def _entries(self, extents):
        """(long or short name, first cluster) of each entry of a directory."""
        data, parts = b"".join(self._data[at:at + size] for at, size in extents), []
        for position in range(0, len(data), 32):
            entry = data[position:position + 32]
            if entry[0] == 0:
                return
            if entry[0] == 0xE5:
                parts = []
            elif entry[11] == 0x0F:
                parts.insert(0, entry[1:11] + entry[14:26] + entry[28:32])
            else:
                long = b"".join(parts).decode("utf-16-le", "replace").split("\0")[0]
                base, tail = entry[:8].decode("latin-1").strip(), entry[8:11].decode().strip()
                high, low = struct.unpack_from("<H4xH", entry, 20)
                yield long or (f"{base}.{tail}" if tail else base), high << 16 | low
                parts = []

    def extents(self, path):
        """Byte extents of a file's or directory's clusters; "" is the root directory."""
        extents = self._extents(0)
        for name in [part for part in path.split("/") if part]:
            cluster = next((cluster for entry, cluster in self._entries(extents)
                            if entry.lower() == name.lower()), None)
            if cluster is None:
                raise FileNotFoundError(f"{path}: not on the disk")
            extents = self._extents(cluster) if cluster else []
        return extents

    def sectors(self, path):
        """The same as (first sector, count), as Machine.break_disk() wants them."""
        return [(start // 512, size // 512) for start, size in self.extents(path)]

    def table_sectors(self):
        """Sectors of all copies of the file allocation table."""
        return [(self.fat_start // 512, self.copies * self.fat_size // 512)]
