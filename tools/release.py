"""Release one package: bump its version, close its changelog, commit and tag.

    python tools/release.py metannvis-plot minor

The part is `major`, `minor`, `patch`, or a version. Siblings whose range the new version leaves get the range
of the new version and a line in their changelog, and are named, since they come next. Nothing is pushed.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

Version = tuple[int, ...]

ABOUT = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
UNRELEASED = "## [Unreleased]\n"
CHANGED = "### Changed\n\n"


class ReleaseError(Exception):
    """The release cannot be made; the message says why and what to do."""


def parse(text: str) -> Version:
    """Return the three numbers of `1.2.3`."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise ReleaseError(f"{text!r} is neither major, minor, patch nor a version of three numbers")
    return tuple(map(int, text.split(".")))


def bump(old: str, part: str) -> str:
    """Return the version after `old`: `part` is major, minor, patch, or that version itself."""
    major, minor, patch = parse(old)
    steps = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    new = steps[part] if part in steps else parse(part)
    if new <= (major, minor, patch):
        raise ReleaseError(f"{part} does not come after {old}")
    return ".".join(map(str, new))


def sibling_range(version: str) -> str:
    """Return the range in which siblings take `version`: up to the next that may change the interface."""
    major, minor, _ = parse(version)
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def close_changelog(text: str, version: str, day: datetime.date) -> str:
    """Move what stands below Unreleased to a section of `version`."""
    before, _, after = text.partition(UNRELEASED)
    if not after.partition("\n## [")[0].strip():
        raise ReleaseError(f"CHANGELOG.md has nothing below {UNRELEASED.strip()!r}: write there what changed")
    return f"{before}{UNRELEASED}\n## [{version}] - {day.isoformat()}\n{after}"


def note_change(text: str, line: str) -> str:
    """Add `line` to what changed below Unreleased."""
    before, _, after = text.partition(UNRELEASED)
    entries, mark, rest = after.partition("\n## [")
    if CHANGED in entries:
        entries = entries.replace(CHANGED, f"{CHANGED}- {line}\n", 1)
    else:
        entries = f"\n{CHANGED}- {line}\n{entries}"
    return before + UNRELEASED + entries + mark + rest


def widen(pyproject: str, name: str, version: str) -> str:
    """Give a sibling's `pyproject.toml` the range of `name` that takes `version`, unless its range does."""

    def replace(match: re.Match[str]) -> str:
        upper = tuple(map(int, match["upper"].split(".")))
        return match[0] if parse(version) < upper else f"{match['name']}{sibling_range(version)}"

    return re.sub(rf"(?P<name>\"{name}(\[[^]]*\])?)>=[\d.]+,<(?P<upper>[\d.]+)", replace, pyproject)


def release(root: Path, name: str, part: str, day: datetime.date) -> tuple[str, list[str]]:
    """Release the package `name` of the repository at `root`.

    Returns
    -------
    str
        The tag.
    list of str
        The siblings whose range of this package was changed.

    Raises
    ------
    ReleaseError
        If there is no such package, the tree is dirty, the version does not rise, the tag exists or the
        changelog has nothing to say. Nothing is changed then.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    packages = sorted(path.parent for path in root.glob("packages/*/pyproject.toml"))
    if name not in (names := [package.name for package in packages]):
        raise ReleaseError(f"there is no package {name!r}; there are {', '.join(names)}")
    if dirty := git("status", "--porcelain"):
        raise ReleaseError(f"commit or remove these first:\n{dirty}")

    package = root / "packages" / name
    about = package / "src" / name.replace("-", "_") / "__about__.py"
    found = ABOUT.search(about.read_text())
    if found is None:
        raise ReleaseError(f'{about} has no line __version__ = "…"')
    version = bump(found[1], part)
    tag = f"{name}-v{version}"
    if git("tag", "--list", tag):
        raise ReleaseError(f"the tag {tag} exists")

    changelog = package / "CHANGELOG.md"
    changes = {
        changelog: close_changelog(changelog.read_text(), version, day),
        about: ABOUT.sub(f'__version__ = "{version}"', about.read_text()),
    }
    siblings = []
    for sibling in packages:
        pyproject, log = sibling / "pyproject.toml", sibling / "CHANGELOG.md"
        if (widened := widen(pyproject.read_text(), name, version)) != pyproject.read_text():
            changes[pyproject] = widened
            changes[log] = note_change(log.read_text(), f"Needs {name} {sibling_range(version)}.")
            siblings.append(sibling.name)

    for path, text in changes.items():
        path.write_text(text)
    git("commit", "--quiet", "--message", f"Release {name} {version}", "--", *map(str, changes))
    git("tag", "--annotate", tag, "--message", f"{name} {version}")
    return tag, siblings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", help="such as metannvis-plot")
    parser.add_argument("part", help="major, minor, patch, or a version such as 0.2.0")
    options = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[1]
    try:
        tag, siblings = release(root, options.package, options.part, datetime.date.today())
    except ReleaseError as error:
        print(f"release.py: {error}", file=sys.stderr)
        return 1
    print(f"Committed and tagged {tag}. Publish it with:")
    print(f"    git push --follow-tags && python -m build packages/{options.package}")
    if siblings:
        print(f"Their range of {options.package} changed, so release next: {', '.join(siblings)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
