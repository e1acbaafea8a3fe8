"""The shape limits of the code: smoke alarms. When one rings, redesign the place; do not slice it to silence the alarm."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "freehold"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 400, 60, 6
FORBIDDEN_NAMES = ("utils", "helpers", "manager", "common")
# Modules loaded inside a function: optional extras, and heavy rooms that one command of many needs.
LAZY = ("xllamacpp", "huggingface_hub", "psycopg", "cryptography", "numba", "botocore", "azure")


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.fixture(params=FILES, ids=_name)
def path(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 30


def test_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    doc = ast.get_docstring(tree)
    assert doc, "a module says what it is for"
    assert len(doc.splitlines()) <= (20 if path.stem == "errors" else 8), "in a few lines; only the error tree is drawn"
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert not path.stem.startswith("base_")
    assert path.stem not in FORBIDDEN_NAMES


def test_functions(path: Path) -> None:
    for function in _functions(ast.parse(path.read_text(encoding="utf-8"))):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MAX_FUNCTION_LINES, f"{function.name} has {lines} lines"
        arguments = function.args
        command = "cli" in path.parts  # a command's options are its data table
        count = len(arguments.args) + (0 if command else len(arguments.kwonlyargs))
        count -= bool(arguments.args and arguments.args[0].arg in {"self", "cls"})
        assert count <= MAX_PARAMETERS, f"{function.name} takes {count} parameters"


def test_no_globals_and_no_hidden_imports(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global), "no global"
    for function in _functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert all(name.split(".")[0] in LAZY for name in names), f"{function.name} imports {names}"


def test_broad_excepts_say_why(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"everything"}
            if caught & {"everything", "Exception", "BaseException"}:
                assert "#" in lines[node.lineno - 1], f"line {node.lineno} catches {caught} without a reason"
