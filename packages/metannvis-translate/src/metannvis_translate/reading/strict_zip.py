"""Zip archives that can be read in one way only.

The readers of Python, of PyTorch and of others differ in where they look for an archive's directory, which of two members of
one name they take, and whether they see upper and lower case. A file that was checked by the one and is opened by the other may
hold two archives. This reader takes what every reader takes for the same, as ``torch.save`` and Python write it, and nothing
else: members lie one behind the other from the first byte, then one directory, then its end, which is the end of the file.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Never, Self

from metannvis_translate.errors import DamagedFileError, UntrustedModelError
from metannvis_translate.process.limits import check_limit

__all__ = ["Member", "StrictZip"]

END, END64, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
STORED, DEFLATED = 0, 8
#: Flags of a member: its sizes stand behind it as well, its name is UTF-8. Bits 1 and 2 say how hard it was compressed.
BEHIND, UTF8, EFFORT = 1 << 3, 1 << 11, 0b110
NAME = re.compile(r"[\w.@+=\-]+(?:/[\w.@+=\-]+)*", re.ASCII)
#: The folder of all members, which PyTorch calls as the file was called when it was written.
FOLDER = re.compile(r"[^/\\:]+")
#: Extra fields of a member: sizes of 64 bits, and those that give a name once more.
ZIP64, NAMES = 0x0001, (0x7075, 0x6375)
CHUNK = 1 << 20
#: Bytes of a directory: a hundred thousand members.
LARGEST_DIRECTORY = 1 << 24


@dataclass(frozen=True)
class Member:
    """One member: where it stands, and how large it is, in bytes."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    flags: int
    raw_name: bytes


class StrictZip:
    """An archive, open for reading.

    Parameters
    ----------
    path
        A file. It is read, never written.

    Raises
    ------
    DamagedFileError
        It is no zip archive, or is cut off.
    UntrustedModelError
        It is one that could be read in several ways.
    LimitError
        It unpacks to more than the limit ``unpacked_bytes``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[bytes] = path.open("rb")
        try:
            self.length = path.stat().st_size
            start, size, count, end = self._end()
            self.members = {member.name: member for member in self._directory(start, size, count, end)}
            self._check_places(start)
            self._check_folder()
            total = sum(member.size for member in self.members.values())
            check_limit("unpacked_bytes", total, f"{path.name} unpacks to bytes:", at_least=self.length)
        except struct.error as error:
            self.file.close()
            raise DamagedFileError(f"{path.name} is damaged: its directory cannot be read: {error}") from error
        except BaseException:
            self.file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def read(self, name: str) -> bytes:
        """A member's whole content."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content piece by piece. It is complete only when the last piece has come without an error."""
        member = self.members[name]
        self.file.seek(self._data_of(member))
        length = crc = 0
        for plain in self._packed(member) if member.method == STORED else self._unpacked(member):
            length, crc = length + len(plain), zlib.crc32(plain, crc)
            if length > member.size:
                self._damaged(f"member {name!r} is longer than it says")
            yield plain
        if (length, crc) != (member.size, member.crc):
            self._damaged(f"member {name!r} is not what its size and checksum say")

    def _packed(self, member: Member) -> Iterator[bytes]:
        left = member.packed
        while left:
            piece = self.file.read(min(CHUNK, left))
            if not piece:
                self._damaged(f"member {member.name!r} is cut off")
            left -= len(piece)
            yield piece

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        unpack = zlib.decompressobj(-15)
        for piece in self._packed(member):
            if unpack.eof:
                self._refuse(f"member {member.name!r} goes on behind its end")
            try:
                while plain := unpack.decompress(piece, CHUNK):
                    piece = unpack.unconsumed_tail
                    yield plain
            except zlib.error as error:
                self._damaged(f"member {member.name!r} cannot be unpacked: {error}")
            if unpack.unused_data:
                self._refuse(f"member {member.name!r} goes on behind its end")
        if not unpack.eof:
            self._damaged(f"member {member.name!r} is cut off")

    # --- the directory ------------------------------------------------------------------------------------------------

    def _at(self, offset: int, size: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(size)

    def _end(self) -> tuple[int, int, int, int]:
        """Where the directory starts, its size, how many members it has, and where it ends."""
        record = self._at(max(self.length - 22, 0), 22)
        if len(record) < 22 or not record.startswith(END):
            tail = self._at(max(self.length - (1 << 16) - 22, 0), (1 << 16) + 22)
            end = tail.rfind(END)
            if end >= 0 and int.from_bytes(tail[end + 20 : end + 22], "little") == len(tail) - end - 22:
                self._refuse("a comment stands behind its directory")
            what = "its directory does not stand at its end: it is cut off, or something was added" if end >= 0 else ""
            self._damaged(what or "it is no zip archive, or is cut off")
        disk, first, here, count, size, start, comment = struct.unpack("<HHHHIIH", record[4:])
        if disk or first or here != count or comment:
            self._refuse("its directory is in several parts")
        end = self.length - 22
        if self._at(max(end - 20, 0), 20).startswith(LOCATOR):
            _, place, disks = struct.unpack("<IQI", self._at(end - 16, 16))
            end -= 76
            large = self._at(max(end, 0), 56)
            if place != end or disks > 1 or not large.startswith(END64):
                self._refuse("it has two directories")
            length, _, _, disk, first, here, many, larger, begin = struct.unpack("<QHHIIQQQQ", large[4:])
            same = all(
                small in (big, limit)
                for small, big, limit in ((count, many, 0xFFFF), (size, larger, 0xFFFFFFFF), (start, begin, 0xFFFFFFFF))
            )
            if length != 44 or disk or first or here != many or not same:
                self._refuse("it has two directories that say different things")
            count, size, start = many, larger, begin
        if size > LARGEST_DIRECTORY:
            self._damaged(f"its directory of {size} bytes is larger than that of any model")
        if start + size != end:
            self._refuse("its directory is not where it says: something stands before it or in between")
        return start, size, count, end

    def _directory(self, start: int, size: int, count: int, end: int) -> Iterator[Member]:
        table = self._at(start, size)
        seen: dict[str, int] = {}
        position = members = 0
        while position + 46 <= size and table[position : position + 4] == b"PK\x01\x02":
            fields = struct.unpack("<HHHHHHIIIHHHHHII", table[position + 4 : position + 46])
            _, _, flags, method, _, _, crc, packed, plain, of_name, of_extra, of_comment, disk, _, _, offset = fields
            name = table[position + 46 : position + 46 + of_name]
            extra = table[position + 46 + of_name : position + 46 + of_name + of_extra]
            position += 46 + of_name + of_extra + of_comment
            members += 1
            text = self._name(name)
            if flags & ~(BEHIND | UTF8 | EFFORT):
                self._refuse(f"member {text!r} is encrypted, or packed in a way of its own (flags {flags:#x})")
            if method not in (STORED, DEFLATED):
                self._refuse(f"member {text!r} is compressed by method {method}, which not every reader knows")
            if disk or of_comment:
                self._refuse(f"member {text!r} has a comment or lies in another file")
            plain, packed, offset = self._wide(extra, text, (plain, packed, offset))
            if method == STORED and plain != packed:
                self._refuse(f"member {text!r} has two sizes")
            seen[text.casefold()] = seen.get(text.casefold(), 0) + 1
            if seen[text.casefold()] > 1:
                self._refuse(f"{text} is there {seen[text.casefold()]} times")
            yield Member(text, method, crc, packed, plain, offset, flags, name)
        if position != size or members != count:
            self._refuse("its directory has other entries than it says")

    def _name(self, raw: bytes) -> str:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("ascii", errors="backslashreplace")
        folder, slash, inner = text.partition("/")
        in_folder = slash and FOLDER.fullmatch(folder) and folder.isprintable() and NAME.fullmatch(inner)
        if not (NAME.fullmatch(text) or in_folder) or any(set(part) == {"."} for part in text.split("/")):
            self._refuse(f"{text[:80]!r} is no name of a member")
        return text

    def _check_folder(self) -> None:
        """A folder may be called as people call files, if everything lies in it: no name is told from another by it then."""
        folders = {name.partition("/")[0] for name in self.members}
        if len(folders) > 1 and not all(map(NAME.fullmatch, folders)):
            self._refuse("its members lie in several folders, and one of these has no plain name")

    def _wide(self, extra: bytes, name: str, values: tuple[int, int, int]) -> list[int]:
        """Size, packed size and offset, those of them that need 64 bits from the extra field."""
        found = list(values)
        wide: bytes | None = None
        position = 0
        while position < len(extra):
            kind, length = struct.unpack("<HH", extra[position : position + 4].ljust(4, b"\0"))
            body = extra[position + 4 : position + 4 + length]
            position += 4 + length
            if position > len(extra) or kind in NAMES or (kind == ZIP64 and wide is not None):
                self._refuse(f"member {name!r} has two names or sizes")
            if kind == ZIP64:
                wide = body
        large = [k for k, value in enumerate(values) if value == 0xFFFFFFFF]
        if len(wide or b"") != 8 * len(large):
            self._refuse(f"member {name!r} has sizes of 64 bits that do not belong to it")
        for k, value in zip(large, struct.unpack(f"<{len(large)}Q", wide or b""), strict=True):
            found[k] = value
        return found

    # --- the members --------------------------------------------------------------------------------------------------

    def _data_of(self, member: Member) -> int:
        """Where a member's content starts, its own header being the same as its entry in the directory."""
        header = self._at(member.offset, 30)
        if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
            self._refuse(f"member {member.name!r} is not where the directory says")
        _, flags, method, _, _, crc, packed, plain, of_name, of_extra = struct.unpack("<HHHHHIIIHH", header[4:])
        body = self._at(member.offset + 30, of_name + of_extra)
        sizes = {(member.crc, member.packed, member.size), (member.crc, 0xFFFFFFFF, 0xFFFFFFFF)}
        if flags & BEHIND:
            sizes |= {(0, 0, 0), (0, 0xFFFFFFFF, 0xFFFFFFFF)}
        if (flags, method, body[:of_name]) != (member.flags, member.method, member.raw_name) or (
            (crc, packed, plain) not in sizes
        ):
            self._refuse(f"member {member.name!r} is another one than its directory says")
        return member.offset + 30 + of_name + of_extra

    def _check_places(self, end: int) -> None:
        """Members lie one behind the other, from the first byte up to the directory."""
        position = 0
        for member in sorted(self.members.values(), key=lambda member: member.offset):
            if member.offset != position:
                self._refuse(f"something stands before member {member.name!r}, or another one in its place")
            position = self._data_of(member) + member.packed
            if position > end:
                self._damaged(f"member {member.name!r} is cut off")
            if member.flags & BEHIND:
                position += self._behind(position, member)
        if position != end:
            self._refuse("something stands between its members and its directory")

    def _behind(self, position: int, member: Member) -> int:
        """Length of the sizes that stand behind a member."""
        content = self._at(position, 24)
        sizes = (member.crc, member.packed, member.size)
        forms = ["<IQQ"] if max(sizes) >= 1 << 32 else ["<IQQ", "<III"]
        records = [mark + struct.pack(form, *sizes) for form in forms for mark in (b"PK\x07\x08", b"")]
        length = next((len(record) for record in records if content.startswith(record)), None)
        if length is None:
            self._refuse(f"member {member.name!r} has other sizes behind it than before")
        return length

    def _refuse(self, why: str) -> Never:
        raise UntrustedModelError(
            f"{self.path.name} can be read in more than one way: {why}. What would be checked need not be what is opened. "
            "Save it anew where it was made, or give trust=True (--trust) if you trust whoever made it."
        )

    def _damaged(self, why: str) -> Never:
        raise DamagedFileError(f"{self.path.name} is damaged: {why}")
