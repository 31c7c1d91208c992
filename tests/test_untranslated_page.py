"""The page of what cannot be translated: what is checked in is what the registries and the measurements say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("untranslated_page", ROOT / "tools" / "untranslated_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator: ModuleType) -> None:
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), "run python tools/untranslated_page.py"


def test_an_operator_with_a_converter_is_not_on_it(generator: ModuleType) -> None:
    for framework in ("torch", "keras"):
        missing = generator.missing(framework)
        assert missing >= {"If", "Loop", "StringConcat"}
        assert not missing & {"Conv", "Relu", "Gemm", "Einsum"}


def test_an_operator_without_a_reason_is_told(generator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "GROUPS", {})
    with pytest.raises(SystemExit, match=r"no reason in GROUPS: .*\bLoop\b"):
        generator.page()
