"""What a function may take: a database connection (it runs inside a transaction) or the adapters, never both."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import receiver

ROOT = Path(receiver.__file__).parent
ADAPTERS = {"Adapters", "Wakeups", "Database"}
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def functions(source: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))


def faults(source: str) -> list[int]:
    """Lines of the functions inside a transaction that are async, or that reach the adapters."""
    return [one.lineno for one in functions(source) if takes_connection(one) and (is_async(one) or uses_adapters(one))]


def takes_connection(one: Function) -> bool:
    return any(arg.arg == "connection" for arg in (*one.args.args, *one.args.kwonlyargs))


def is_async(one: Function) -> bool:
    return isinstance(one, ast.AsyncFunctionDef)


def uses_adapters(one: Function) -> bool:
    names = {node.id for node in ast.walk(one) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(one) if isinstance(node, ast.Attribute)}
    return bool(names & {*ADAPTERS, "adapters"}) or bool(attributes & {"_adapters", "adapters"})


@pytest.mark.parametrize(
    "source",
    [
        "def work(connection, adapters): adapters.now()",
        "def work(connection, site: Adapters): ...",
        "async def work(connection): ...",
        "work = lambda connection: release(connection, adapters.now())",
        "class Queries:\n    def look(self, connection): return self._adapters.totals",
    ],
)
def test_this_test_sees_each_way_to_reach_the_adapters_inside_a_transaction(source: str) -> None:
    assert faults(source) != []


def test_no_function_inside_a_transaction_reaches_the_adapters_or_awaits() -> None:
    found = [
        f"{path.relative_to(ROOT.parent)}:{line}" for path in ROOT.rglob("*.py") for line in faults(path.read_text())
    ]
    assert found == []
