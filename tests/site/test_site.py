"""The built site: strict, with every link leading to a page of it, and no request to another host."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).parents[2]
#: What a browser fetches by itself. A link that a reader follows is none.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}
#: Relations of a `link` that fetch nothing.
NAMED = {"canonical", "alternate", "next", "prev", "author", "license", "search"}
PACKAGES = ("metannvis_translate", "metannvis_methods", "metannvis_plot")


class Page(HTMLParser):
    """Addresses that a page fetches, those it links to, and names of places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.names |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.linked.append(found["href"])
        if FETCHED.get(tag) in found and not set(found.get("rel", "").split()) & NAMED:
            self.fetched.append(found[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_every_guide_has_a_page(site: Path) -> None:
    for source in [*ROOT.glob("packages/*/docs/**/*.md"), *ROOT.glob("packages/*/README.md")]:
        place = source.relative_to(ROOT / "packages").with_suffix("")
        page = site / (place.parent if place.name == "README" else place) / "index.html"
        assert page.exists(), source
    for name in ("index.html", "user_guide/index.html", "CONTRIBUTING/index.html"):
        assert (site / name).exists()


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 40
    for path, page in pages.items():
        for address in page.fetched:
            assert not re.match(r"(?:[a-z]+:)?//", address), f"{path.relative_to(site)} fetches {address}"
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(?:url\(\s*['"]?|@import\s+['"])(?:[a-z]+:)?//""", text), path.relative_to(site)
    for path in site.rglob("*.js"):
        assert "cdnjs" not in path.read_text(encoding="utf-8"), path.relative_to(site)


def test_links_lead_to_places_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        if path.name == "404.html":  # served at any depth: its links start at the root
            continue
        for link in page.linked:
            address, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", address):
                assert address.startswith("https://"), f"{path.relative_to(site)} links to {link}"
                continue
            place = (path.parent / unquote(address)).resolve() if address else path
            place = place / "index.html" if place.is_dir() else place
            assert place.exists(), f"{path.relative_to(site)} links to {link}"
            if anchor and place in pages:
                assert unquote(anchor) in pages[place].names, f"{path.relative_to(site)} links to {link}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_in_the_reference(site: Path, pages: dict[Path, Page], package: str) -> None:
    import ast

    tree = ast.parse((ROOT / "packages" / package.replace("_", "-") / "src" / package / "__init__.py").read_text())
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    found = {name.rpartition(".")[2] for name in pages[site / "reference" / package / "index.html"].names}
    assert set(names) - {"__version__"} <= found


@pytest.mark.parametrize("name", ["heatmap", "overlay", "grid"])
def test_options_of_figures_stand_in_their_signatures(site: Path, name: str) -> None:
    text = (site / "reference/metannvis_plot/index.html").read_text(encoding="utf-8")
    (begin,) = [found.start() for found in re.finditer(rf'id="[\w.]+\.{name}"', text)]
    signature = re.sub(r"<[^>]+>", "", text[begin : text.index("doc-contents", begin)])
    for option in ("clip: float = CLIP", 'sign: Sign = "both"', "outline: bool = True"):
        assert option in unescape(signature)
    assert "**options" not in signature
