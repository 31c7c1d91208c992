"""`tools/release.py` in a temporary repository."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("metannvis-translate", "metannvis-methods", "metannvis-plot", "metannvis-cli")


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The files that a release touches, with something to release in each package."""
    for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{variable}_NAME", "t")
        monkeypatch.setenv(f"{variable}_EMAIL", "t@example.org")
    for name in NAMES:
        package, about = Path("packages", name), Path("src", name.replace("-", "_"), "__about__.py")
        for file in (about, Path("pyproject.toml"), Path("CHANGELOG.md")):
            (tmp_path / package / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / package / file, tmp_path / package / file)
        (tmp_path / package / about).write_text('__version__ = "0.1.0"\n')
        (tmp_path / package / "CHANGELOG.md").write_text(
            "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- Old.\n"
        )
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/release.py", tmp_path / "tools")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "start")
    return tmp_path


def release(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "tools/release.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_minor_release_bumps_closes_the_changelog_and_tags(repository):
    done = release(repository, "metannvis-plot", "minor")

    assert done.returncode == 0, done.stderr
    plot = repository / "packages/metannvis-plot"
    assert (plot / "src/metannvis_plot/__about__.py").read_text() == '__version__ = "0.2.0"\n'
    today = datetime.date.today().isoformat()
    assert (plot / "CHANGELOG.md").read_text() == (
        f"# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - {today}\n\n### Fixed\n\n- A thing.\n\n"
        "## [0.1.0] - 2026-01-01\n\n- Old.\n"
    )
    assert git(repository, "describe") == "metannvis-plot-v0.2.0"
    assert git(repository, "log", "-1", "--format=%s") == "Release metannvis-plot 0.2.0"
    assert not git(repository, "status", "--porcelain")


def test_siblings_follow_a_version_that_leaves_their_range(repository):
    done = release(repository, "metannvis-plot", "minor")

    assert "release next: metannvis-cli\n" in done.stdout
    cli = repository / "packages/metannvis-cli"
    assert '"metannvis-plot>=0.2,<0.3"' in (cli / "pyproject.toml").read_text()
    assert '"metannvis-translate[all]>=0.1,<0.2"' in (cli / "pyproject.toml").read_text()
    log = (cli / "CHANGELOG.md").read_text()
    assert "## [Unreleased]\n\n### Changed\n\n- Needs metannvis-plot >=0.2,<0.3.\n\n### Fixed\n" in log


def test_siblings_stay_with_a_version_within_their_range(repository):
    done = release(repository, "metannvis-translate", "patch")

    assert done.returncode == 0, done.stderr
    changed = git(repository, "show", "--format=", "--name-only").splitlines()
    assert {Path(path).parts[1] for path in changed} == {"metannvis-translate"}


def test_extras_keep_theirs_when_a_range_moves(repository):
    done = release(repository, "metannvis-translate", "1.0.0")

    assert done.returncode == 0, done.stderr
    pyproject = (repository / "packages/metannvis-cli/pyproject.toml").read_text()
    assert '"metannvis-translate[all]>=1.0,<2"' in pyproject


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metannvis-plots", "minor"), "there is no package 'metannvis-plots'"),
        (("metannvis-plot", "0.1.0"), "0.1.0 does not come after 0.1.0"),
        (("metannvis-plot", "big"), "'big' is neither major, minor, patch nor a version"),
    ],
)
def test_refusals(repository, arguments, message):
    done = release(repository, *arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert not git(repository, "status", "--porcelain")


def test_a_dirty_tree_is_refused(repository):
    (repository / "stray.txt").write_text("x")

    done = release(repository, "metannvis-plot", "minor")

    assert done.returncode == 1
    assert "stray.txt" in done.stderr
    assert not git(repository, "tag")


def test_an_existing_tag_is_refused(repository):
    git(repository, "tag", "metannvis-plot-v0.2.0")

    assert "the tag metannvis-plot-v0.2.0 exists" in release(repository, "metannvis-plot", "minor").stderr


def test_a_release_without_a_change_is_refused(repository):
    assert release(repository, "metannvis-plot", "minor").returncode == 0

    done = release(repository, "metannvis-plot", "minor")

    assert done.returncode == 1
    assert "nothing below '## [Unreleased]'" in done.stderr
