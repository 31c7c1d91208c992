"""The report in headless Chromium: no request, all controls, by keyboard, at the width of a telephone, no barriers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from metannvis_plot import report
from playwright.sync_api import Browser, Page, sync_playwright

METHODS = (
    "saliency",
    "integrated_gradients",
    "occlusion",
    "deep_lift",
    "lime",
    "input_x_gradient",
    "guided_backprop",
    "feature_ablation",
)
HOSTILE = "<script>document.title='hacked'</script>"


LAYERS = ("conv1", HOSTILE)


def explanations() -> list[SimpleNamespace]:
    """Eight methods at two layers, as large as four photographs of 224 × 224 and of a segmentation, with hostile names."""
    rng = np.random.default_rng(0)
    images = rng.random((4, 224, 224, 3)).astype(np.float32)
    common: dict[str, Any] = {
        "inputs": images,
        "input_axes": "NHWC",
        "toolset": "captum",
        "framework": "tensorflow",
        "target": [0, 1, 2, 3],
        "labels": ("tabby", HOSTILE, "dog", "fox"),
        "translation": None,
        "convergence_delta": None,
        "seconds": 0.1,
        "options": {},
        "prediction": tuple({"class": k, "name": "fox", "probability": 0.5} for k in range(4)),
        "warnings": (HOSTILE,),
    }
    region = np.zeros((4, 56, 56), bool)
    region[:, 10:30, 20:40] = True
    dense = {"region": region, "output_axes": "NCHW"}
    found = []
    for method in METHODS:
        for layer in LAYERS:
            known = {**common, **(dense if method == "saliency" else {})}
            values = rng.normal(size=images.shape).astype(np.float32)
            found.append(
                SimpleNamespace(values=values, axes="NHWC", method=method, kind="primary", layer=layer, **known)
            )
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    place = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if place is None:
        pytest.fail(
            "there is no Chromium: `apt-get install chromium`, or name one in the variable CHROMIUM", pytrace=False
        )
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report(
        explanations(),
        path,
        title=HOSTILE,
        preface=HOSTILE,
        command="metannvis explain net.pt2",
        sample_names=["a.png", "b.png", HOSTILE, "d.png"],
    )
    return path


@pytest.fixture(params=[(360, "light"), (360, "dark"), (1440, "light"), (1440, "dark")], ids=str)
def page(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    page.goto(file.as_uri())
    yield page
    assert not said  # no request, no error, nothing refused by the policy
    context.close()


def test_the_size_of_the_file(file: Path) -> None:
    assert file.stat().st_size < 15e6


def test_nothing_is_cut_off_and_no_text_runs(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    assert page.title() == HOSTILE
    assert page.get_by_text(HOSTILE).count() > 3


def test_pictures_come_first(page: Page) -> None:
    first = page.locator(".picture").first.bounding_box()
    assert first is not None
    assert first["y"] + 100 < page.viewport_size["height"]  # type: ignore[index]


def test_maps_are_blended_and_pictures_enlarged_by_mouse(page: Page) -> None:
    strength = "getComputedStyle(document.querySelector('.map')).opacity"
    box = page.get_by_label("Opacity of the maps").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2)
    assert float(page.evaluate(strength)) == pytest.approx(0.5, abs=0.02)
    page.get_by_label("grey inputs").click()
    assert page.evaluate("getComputedStyle(document.querySelector('.input')).filter") == "none"
    page.get_by_label("sharp pixels").click()
    assert page.evaluate("getComputedStyle(document.querySelector('.map')).imageRendering") == "pixelated"
    page.locator("nav summary").click()
    page.locator("nav a").nth(3).click()
    assert page.evaluate("location.hash") == "#r4"
    page.locator("#r4 .picture").first.click()
    assert page.locator("dialog .large > :visible").count() == 2
    page.get_by_role("button", name="Close").click()
    assert not page.locator("dialog").is_visible()


def test_methods_layers_targets_and_samples_can_be_chosen(page: Page) -> None:
    sections, figures = page.locator("section[data-method]:visible"), page.locator("figure:visible")
    assert (sections.count(), figures.count()) == (16, 64)
    for label, value, left in (
        ("Method", "lime", (2, 8)),
        ("Layer", "conv1", (1, 4)),
        ("Sample", "b.png", (1, 1)),
        ("Target", "target 0 (tabby)", (0, 0)),
    ):
        page.get_by_label(label, exact=True).select_option(value)
        assert (sections.count(), figures.count()) == left, label
    for label in ("Method", "Layer", "Sample", "Target"):
        page.get_by_label(label, exact=True).select_option("")
    assert figures.count() == 64


def test_maps_are_blended_by_keyboard(page: Page) -> None:
    strength = "getComputedStyle(document.querySelector('.map')).opacity"
    before = float(page.evaluate(strength))
    page.get_by_label("Opacity of the maps").focus()
    page.keyboard.press("Home")
    assert float(page.evaluate(strength)) == 0 < before
    page.get_by_label("grey inputs").press("Space")
    assert page.evaluate("getComputedStyle(document.querySelector('.input')).filter") == "none"


def test_every_control_is_reached_and_used_by_keyboard(page: Page) -> None:
    page.evaluate("document.querySelector('nav details').open = true")
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, select, input, summary, pre[tabindex]")]
            .filter((item) => item.checkVisibility()).length"""
    )
    page.evaluate("document.body.focus()")
    reached = set()
    for k in range(wanted):
        page.keyboard.press("Tab")
        page.evaluate(f"document.activeElement.dataset.reached ??= {k}")
        reached.add(page.evaluate("document.activeElement.dataset.reached"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert len(reached) == wanted > 100
    sections = page.locator("section[data-method]:visible")
    page.get_by_label("Method", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert sections.count() == 2
    page.keyboard.press("Home")
    assert sections.count() == 16
    page.locator("#r1 summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#r1 details").first.get_attribute("open") is not None
    for visible in (False, True):
        page.locator("nav summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("nav a").nth(3).is_visible() == visible
    page.locator("nav a").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#r4"
    page.get_by_label("sharp pixels").focus()
    page.keyboard.press("Space")
    assert page.evaluate("getComputedStyle(document.querySelector('.map')).imageRendering") == "pixelated"


def test_the_target_of_a_segmentation_is_outlined(page: Page) -> None:
    figure = page.locator("section#r1 figure").first
    outline, picture = figure.locator(".outline").bounding_box(), figure.locator(".input").bounding_box()
    assert outline == picture
    assert "outlined: where in the output the target lies" in figure.inner_text()
    figure.locator("button").click()
    assert page.locator("dialog .outline").is_visible()


def test_pictures_are_enlarged_and_closed_by_keyboard(page: Page) -> None:
    button = page.locator(".picture").nth(13)
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog .large > :visible").count() == 2
    large, small = page.locator("dialog .input").bounding_box(), button.bounding_box()
    assert large is not None
    assert small is not None
    assert large["height"] <= 0.8 * page.viewport_size["height"] + 1  # type: ignore[index]
    assert large["width"] >= 0.8 * min(small["width"], page.viewport_size["width"])  # type: ignore[index]
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert page.evaluate("document.activeElement.className") == "picture"  # where the reader was


def test_a_figure_is_enlarged_to_its_size(browser: Browser, tmp_path: Path) -> None:
    one, other = explanations()[:2]
    file = tmp_path / "compared.html"
    report(SimpleNamespace(explanations=(one, other), rows=(), method="saliency", aligned=True), file)
    context = browser.new_context(viewport={"width": 360, "height": 900})
    page = context.new_page()
    page.goto(file.as_uri())
    small = page.locator(".picture img").bounding_box()
    page.locator(".picture").click()
    large = page.locator("dialog img").bounding_box()
    assert small is not None
    assert large is not None
    assert small["width"] < 360 < 1000 < large["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.press("Tab")
    page.locator("dialog .large").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.evaluate("document.querySelector('.large').scrollLeft") > 0
    found = Axe().run(page).response["violations"]
    assert not [row["id"] for row in found if row["impact"] in ("serious", "critical")]
    context.close()


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (100, 300), (300, 100)])
def test_long_pictures_can_be_seen(browser: Browser, tmp_path: Path, shape: tuple[int, int]) -> None:
    result = explanations()[2]
    result.values, result.inputs = np.ones((4, *shape, 3)), np.ones((4, *shape, 3))
    report(result, tmp_path / "long.html")
    context = browser.new_context(viewport={"width": 360, "height": 900})
    page = context.new_page()
    page.goto((tmp_path / "long.html").as_uri())
    shown, over = page.locator(".input").first.bounding_box(), page.locator(".map").first.bounding_box()
    assert shown == over
    assert shown is not None
    assert min(shown["width"], shown["height"]) > 20
    assert max(shown["width"], shown["height"]) < 700
    assert 1 / 11.5 < shown["width"] / shown["height"] < 11.5
    if min(shape) > 1:
        assert shown["width"] / shown["height"] == pytest.approx(shape[1] / shape[0], rel=0.01)
    context.close()


def test_values_are_downloaded(page: Page) -> None:
    with page.expect_download() as download:
        page.locator("a[download]").first.click()
    assert np.load(download.value.path())["values"].shape == (4, 224, 224, 3)


def test_no_barriers(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert not [(row["id"], row["nodes"][0]["html"][:200]) for row in found if row["impact"] in ("serious", "critical")]


def test_print_shows_all_and_no_controls(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.locator("figure:visible").count() == 64
    assert not page.locator(".controls").is_visible()
    look = "(() => { const s = getComputedStyle(document.querySelector('figure')); return [s.color, s.backgroundColor] })()"
    assert page.evaluate(look) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]  # of a dark page too
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 0 < sheets <= 9  # two results of four samples each


def test_without_scripts_all_is_shown(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("figure:visible").count() == 64
    assert not page.locator(".controls").is_visible()
    context.close()
