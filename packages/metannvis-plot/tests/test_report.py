"""The HTML page: complete, self-contained, well-formed, safe."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metannvis_methods.results.record import Record
from metannvis_plot import report, reports
from metannvis_translate.errors import InvalidArgumentError
from PIL import Image

VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """Elements, their attributes and the text; raises if an element is closed that was not open."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def every(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


EMBEDDED = ("data:image/png;base64,", "data:application/octet-stream;base64,", "#")


def hashed(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def check_self_contained(text):
    page = Page(text)
    assert "://" not in re.sub(r'base64,[^")]*', "", text)
    assert not {"link", "iframe", "object", "embed"} & {name for name, _ in page.elements}
    for name, attributes in page.elements:
        assert not [a for a in attributes if a.startswith("on")], attributes
        assert "style" not in attributes
        for key in ("src", "href", "action", "srcset"):
            if key in attributes:
                assert attributes[key].startswith(EMBEDDED), (name, key)
    (policy,) = (meta["content"] for meta in page.every("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for tag, rule in (("style", "style-src"), ("script", "script-src")):  # the one of each that runs is ours
        own = " ".join(map(hashed, re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)))
        assert f"{rule} {own}" in policy
    return page


@pytest.fixture
def result(explanation):
    return explanation(
        np.random.default_rng(0).normal(size=(2, 3, 4, 6)),
        "NCHW",
        inputs=np.ones((2, 3, 4, 6)),
        input_axes="NCHW",
        layer="block5/conv3",
        target=[0, 1],
        labels=("dog", "cat"),
        convergence_delta=np.array([1e-3, -2e-4]),
        options={"n_steps": 50, "baselines": [0.0] * 300},
    )


def test_it_says_all_that_is_known(result, compared, tmp_path):
    path = tmp_path / "page.html"
    comparison = compared(np.ones((1, 2, 2)), np.zeros((1, 2, 2)))
    text = report([result, comparison], path, title="Digits", preface="outputs  3e-7\nlayers  2e-7")
    assert path.read_text(encoding="utf-8") == text
    page = check_self_contained(text)
    for words in (
        "Digits",
        "integrated_gradients",
        "captum",
        "block5/conv3",
        "0 (dog), 1 (cat)",
        "translated torch → tensorflow, relative error: outputs 3e-7, gradients 1.2e-6, layers 2e-7",
        "0.001, -0.0002",
        "n_steps",
        "(2, 3, 4, 6) NCHW",
        "0.25 s",
        "max_rel",
        "1e-07",
        "Defaults aligned.",
        "outputs 3e-7 layers 2e-7",
        "not translated (torch)",
    ):
        assert words in page.text, words
    pictures = [image["src"] for image in page.every("img")]
    assert len(pictures) == 2 * 2 + 1  # of two samples a map and its colours each; the figure of the comparison
    for source in pictures:
        assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG\r\n")
    assert all(image["alt"] for image in page.every("img"))
    assert {link["href"] for link in page.every("a") if "download" not in link} == {
        f"#{s['id']}" for s in page.every("section") if "id" in s
    }


def picture(text, pattern):
    return Image.open(io.BytesIO(base64.b64decode(re.search(pattern, text)[1])))


@pytest.mark.parametrize("axes", ["NCHW", "NHWC"])
def test_a_map_lies_on_its_image_the_right_way_up(explanation, axes):
    image, values = np.zeros((1, 4, 6, 3)), np.zeros((1, 4, 6, 3))
    image[0, 0, 5] = (1, 0, 0)  # red at the top right
    values[0, 0, 5], values[0, 3, 0] = 1, -1
    order = (0, 3, 1, 2) if axes == "NCHW" else (0, 1, 2, 3)
    made = explanation(values.transpose(order), axes, inputs=image.transpose(order), input_axes=axes)
    text = report([made, made], arrays=False)
    assert text.count("background-image: url(") == 1  # the input stands once in the page
    shown = np.asarray(
        picture(
            text,
            r"\.image0 { --ratio: 1.5; aspect-ratio: var\(--ratio\); background-image: url\(data:image/png;base64,([^)]*)\)",
        )
    )
    np.testing.assert_array_equal(shown[0, 5], (255, 0, 0))
    assert shown[1:].max() == 0
    drawn = np.asarray(picture(text, r'class="map"[^>]*base64,([^"]*)"').convert("RGBA")).astype(int)
    red, blue = drawn[0, 5], drawn[3, 0]
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert red[3] == blue[3] == 255
    assert drawn[1, 2, 3] < 20  # zero is nearly transparent
    assert "against \N{MINUS SIGN}1" in Page(text).text


def test_inputs_of_several_kinds_have_cards_of_their_own(explanation):
    """An image beside a table, and an input that was held."""
    drawn = np.random.default_rng(0)
    inputs = (drawn.uniform(0, 1, (2, 3, 4, 6)), drawn.uniform(0, 1, (2, 5)), np.array([[1], [2]]))
    values = (drawn.standard_normal((2, 3, 4, 6)), drawn.standard_normal((2, 5)), None)
    axes = ("NCHW", "NF", "NT")
    made = explanation(values, axes, inputs=inputs, input_axes=axes)
    text = report(made, arrays=False)
    page = Page(text)
    assert text.count('class="map"') == 2  # the image's two samples
    assert any("input 1 of 3" in image.get("alt", "") for image in page.every("img"))
    assert report(made, arrays=False, input_index=0).count('class="map"') == 2
    assert report(made, arrays=False, input_index=1).count('class="map"') == 0


def test_values_can_be_saved_from_the_page_until_it_grows_too_large(result, monkeypatch):
    page = Page(report(result))
    (file,) = (link for link in page.every("a") if "download" in link)
    held = np.load(io.BytesIO(base64.b64decode(file["href"].partition("base64,")[2])))
    np.testing.assert_array_equal(held["values"], result.values)
    monkeypatch.setattr(reports, "ARRAYS", result.values.nbytes)
    twice = Page(report([result, result]))
    assert len([link for link in twice.every("a") if "download" in link]) == 1
    assert "too large for the page" in twice.text
    assert not [link for link in Page(report(result, arrays=False)).every("a") if "download" in link]


def test_what_repeats_it(result):
    result.record = Record({"seed": 3, "target": 1}, {"file": "net.pt2", "sha256": "ab12"}, {"captum": "0.9.0"})
    result.warnings = ("all values are zero",)
    page = Page(report(result, command="metannvis explain 'my net.pt2'", lead="One sentence."))
    for words in (
        "metannvis explain 'my net.pt2'",
        "ab12",
        '"captum": "0.9.0"',
        '"seed": "3"',
        "One sentence.",
        "all values are zero",
    ):
        assert words in page.text
    assert "Gradients summed along the straight path" in page.text  # what the method means


def test_headings_of_a_mapping_and_one_result_alone(result):
    assert "My heading" in Page(report({"My heading": result})).text
    assert not Page(report(result)).every("nav")


def test_the_same_results_give_the_same_page(result):
    assert report(result) == report(result)


def test_options_reach_the_figures(result):
    assert report(result, sample=0) != report(result, sample=1)


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '" onerror="alert(1)',
            "'><img src=http://example.org/x.png>",
            "</title></pre></td>",
            "&amp;&lt;",
            "]]>",
            "\x00\x1b[31m",
            "<!--",
            "javascript:alert(1)",
        ]
    ),
    st.text(st.characters(max_codepoint=0x24F)),
)


@pytest.mark.filterwarnings("ignore:Glyph")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE)
def test_no_text_can_change_the_page(explanation, text):
    hostile = explanation(
        np.ones((1, 2, 2)),
        "NHW",
        method=text,
        toolset=text,
        layer=text,
        labels=[text] * 4,
        framework=text,
        options={text: text, "nested": {"a": [text]}},
        translation={"from": text, "to": "torch", "outputs": 1e-7},
    )
    harmless = explanation(np.ones((1, 2, 2)), "NHW", method="x", layer="x", options={"a": 1, "b": 2})
    page = Page(report({text: hostile}, title=text, preface=f"x{text}"))
    calm = Page(report({"heading": harmless}, title="title", preface="x"))
    assert [name for name, _ in page.elements] == [name for name, _ in calm.elements]
    assert [name for name, _ in page.elements].count("script") == 1
    assert "iframe" not in {name for name, _ in page.elements}
    for _, attributes in page.elements:
        assert not [a for a in attributes if a.startswith("on")]
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(EMBEDDED)
    assert len(page.every("img")) == 1


@pytest.mark.parametrize("results", [[], {}, [3], "text", 7, [None]])
def test_what_is_no_result(results):
    with pytest.raises(InvalidArgumentError):
        report(results)


def test_paths_that_cannot_be_written(result, tmp_path):
    with pytest.raises(InvalidArgumentError, match="does not exist"):
        report(result, tmp_path / "none" / "page.html")
    with pytest.raises(InvalidArgumentError, match="is a folder"):
        report(result, tmp_path)
