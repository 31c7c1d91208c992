"""Hook of mkdocs: the pages of the site that no package holds.

The front page is the repository's README; beside it stand CONTRIBUTING, the notebook as a page, and the reference, a page a
package with each of its public names.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REFERENCE = ("metannvis_translate", "metannvis_methods", "metannvis_plot")
NOTEBOOK = "packages/metannvis-methods/docs/user_guide.ipynb"
#: Pages of the site, by their place in the repository, where it is another one.
MOVED = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", NOTEBOOK: "user_guide.md"}
REPOSITORY = "https://github.com/sfluegel05/metaNNvis/blob/main/"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File, InclusionLevel

    made = {
        "index.md": (ROOT / "README.md").read_text(encoding="utf-8"),
        "CONTRIBUTING.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "user_guide.md": notebook_page(ROOT / NOTEBOOK),
        "pygments.css": _styles(),
        **{f"reference/{name}.md": reference_page(name) for name in REFERENCE},
    }
    for path, text in made.items():
        files.append(File.generated(config, path, content=text, inclusion=InclusionLevel.INCLUDED))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as the site has them; a file that is no page of it is shown by the repository."""
    path = page.file.src_uri
    source = next((old for old, new in MOVED.items() if new == path), f"packages/{path}")
    if path.startswith("reference/"):
        return markdown
    pages = {file.src_uri for file in files.documentation_pages()}
    return LINK.sub(lambda match: f"[{match[1]}]({site_link(match[2], source, path, pages)})", markdown)


def site_link(target: str, source: str, path: str, pages: set[str]) -> str:
    """What a link becomes on the site.

    Parameters
    ----------
    target
        As it stands in the file, relative to it.
    source, path
        The file in the repository, and on the site.
    pages
        All pages of the site.
    """
    address, hash_, anchor = target.partition("#")
    if not address or "://" in address or address.startswith("mailto:"):
        return target
    place = posixpath.normpath(posixpath.join(posixpath.dirname(source), address))
    known = MOVED.get(place, place.removeprefix("packages/"))
    for page in (known, f"{known}/README.md"):
        if page in pages:
            return posixpath.relpath(page, posixpath.dirname(path) or ".") + hash_ + anchor
    if (ROOT / place).exists():
        return REPOSITORY + place + hash_ + anchor
    return target  # mkdocs tells that there is no such page


def notebook_page(path: Path) -> str:
    """A notebook as a page: its text, and its cells of code."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def reference_page(package: str) -> str:
    """The reference of a package: each name of its ``__all__``, in order, where it is defined."""
    file = ROOT / "packages" / package.replace("_", "-") / "src" / package / "__init__.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    homes = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    names = [
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets)
        for name in ast.literal_eval(node.value)
    ]
    parts = [f"# {package}\n\n{ast.get_docstring(tree)}\n"]
    parts += [
        f"::: {homes[name]}.{name}\n" for name in sorted(names, key=str.lower) if name in homes and "__" not in name
    ]
    return "\n".join(parts)


def _styles() -> str:
    from pygments.formatters import HtmlFormatter

    styles: str = HtmlFormatter(style="default").get_style_defs(".highlight")
    return styles
