"""Atomic writing: a file or a folder is replaced by a whole new one, or stays as it was.

What is new is written beside its target under a hidden name, brought to the disk, and renamed. A reader sees the old one or
the new one and nothing between, whatever happens in the meantime: a full disk, an error, Ctrl-C, the end of the process, or
another one that writes the same target. After a process was killed, a hidden ``.name~…~tmp`` may be left, which nobody reads.
"""

from __future__ import annotations

from metannvis_translate.writing.deferring import deferring
from metannvis_translate.writing.replace import check_target, replacing, replacing_folder, write_bytes

__all__ = ["check_target", "deferring", "replacing", "replacing_folder", "write_bytes"]
