"""docs/reference is generated: what the code says now is what stands there."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "metrics.md"])
def test_the_page_is_what_the_code_says(generator: ModuleType, name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert written == generator.NOTE + generator.PAGES[name]().rstrip() + "\n", "run make docs"


def test_the_published_schema_is_that_of_the_plan(generator: ModuleType) -> None:
    written = (ROOT / "docs" / "reference" / "plan.schema.json").read_text(encoding="utf-8")
    assert written == generator.plan_schema(), "run make docs"


def test_links_in_the_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
