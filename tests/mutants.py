"""`make mutants`: change the pure modules one spot at a time and see whether their tests notice.

In: the modules below and the tests that need no database. Out: the spots whose change no test noticed, and a non-zero
exit when fewer than 85 of 100 were noticed in a module. `python -m tests.mutants diversify` asks modules of that name
only. The tests are collected once; each mutant is a fork of that process (a twentieth of a second; an interpreter each
would take seconds) in which the code of the module's functions is exchanged. Not part of CI: it takes minutes.
"""

from __future__ import annotations

import ast
import copy
import importlib
import os
import signal
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.environment import touches_database

FLOOR = 0.85
SECONDS = 30  # of CPU for one mutant; longer is an endless loop, and noticed
SELECT = "newsletter.interests.select"
SUITES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("subscriptions.smtp_replies", "subscriptions.smtp_refusal_phrases"): (
        "tests/test_smtp_replies.py",
        "tests/test_reply_codes.py",
        "tests/test_smtp_refusal_phrases.py",
    ),
    ("newsletter.delivery.bounces.failure_kind",): ("tests/test_bounces.py", "tests/test_bounce_formats.py"),
    ("subscriptions.schedule",): ("tests/test_schedule.py",),
    tuple(
        f"{SELECT}.{name}"
        for name in ("candidate_set", "editor_and_outside_picks", "diversify", "reader_weights", "picks")
    ): (
        "tests/test_candidate_set.py",
        "tests/test_select.py",
        "tests/test_reasons.py",
    ),
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}


@dataclass(frozen=True)
class Mutant:
    module: str
    line: int
    change: str
    tree: ast.Module


def mutants_of(module: types.ModuleType) -> Iterator[Mutant]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    places = list(_places(tree))
    for number, node in enumerate(places):
        for change in _changes(node):
            changed = copy.deepcopy(tree)
            told = change(list(_places(changed))[number])
            yield Mutant(module.__name__, node.lineno, told, ast.fix_missing_locations(changed))


def _places(node: ast.AST) -> Iterator[Any]:
    """Every node whose change could be noticed: no annotations, decorators, docstrings, imports for types."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                yield from _places(child)


def _changes(node: ast.AST) -> list[Any]:
    if isinstance(node, ast.Compare):
        return [_comparison(place) for place in range(len(node.ops))]
    if isinstance(node, ast.BoolOp):
        return [_bool]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not isinstance(node.left, ast.JoinedStr):
        return [_operator]
    if isinstance(node, ast.Constant) and type(node.value) in {int, float, bool}:
        return [_constant]
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return []
    if isinstance(node, ast.If | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.BoolOp):
        return [_test]
    if isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        return [_return]
    return []


def _comparison(place: int) -> Any:
    def change(node: ast.Compare) -> str:
        before = ast.unparse(node)
        node.ops[place] = COMPARISONS[type(node.ops[place])]()
        return f"{before} -> {ast.unparse(node)}"

    return change


def _bool(node: ast.BoolOp) -> str:
    before = ast.unparse(node)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return f"{before} -> {ast.unparse(node)}"


def _operator(node: ast.BinOp) -> str:
    before = ast.unparse(node)
    node.op = OPERATORS[type(node.op)]()
    return f"{before} -> {ast.unparse(node)}"


def _constant(node: ast.Constant) -> str:
    before = node.value
    node.value = not before if isinstance(before, bool) else before + 1  # type: ignore[operator]
    return f"{before} -> {node.value}"


def _test(node: ast.If | ast.IfExp) -> str:
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return f"if {ast.unparse(node.test)}"


def _return(node: ast.Return) -> str:
    before = ast.unparse(node)
    node.value = ast.Constant(None)
    return f"{before} -> return None"


def exchange_code(module: types.ModuleType, tree: ast.Module) -> None:
    """Give the functions of a loaded module the code of the changed one; whoever imported them sees it."""
    changed = types.ModuleType(module.__name__)
    changed.__dict__["__old__"] = module.__dict__
    tree = copy.deepcopy(tree)
    for place in range(len(tree.body) - 1, -1, -1):
        if isinstance(node := tree.body[place], ast.ClassDef):  # the class everybody knows goes on; its methods change
            kept = ast.parse(f"__new_{node.name} = {node.name}\n{node.name} = __old__['{node.name}']").body
            tree.body[place + 1 : place + 1] = kept
    ast.fix_missing_locations(tree)
    changed.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    hidden, sys.modules[module.__name__] = module, changed
    try:
        exec(compile(tree, str(module.__file__), "exec"), changed.__dict__)
    finally:
        sys.modules[module.__name__] = hidden
    _exchange_within(module.__dict__, changed.__dict__, module.__name__)


def _exchange_within(old: Any, new: Any, name: str) -> None:
    for key, value in list(new.items()):
        before = old.get(key)
        plain, plain_before = (getattr(each, "__wrapped__", each) for each in (value, before))
        if isinstance(plain, types.FunctionType) and isinstance(plain_before, types.FunctionType):
            if plain.__module__ == name:
                plain_before.__code__, plain_before.__defaults__ = plain.__code__, plain.__defaults__
                plain_before.__kwdefaults__ = plain.__kwdefaults__
                getattr(before, "cache_clear", lambda: None)()
        elif key.startswith("__new_"):
            _exchange_within(dict(old[key.removeprefix("__new_")].__dict__), dict(value.__dict__), name)
        elif "__file__" in old and not key.startswith("__") and not isinstance(value, type | types.ModuleType):
            old[key] = value


class Experiment:
    """Instead of running the collected tests once, run them for each mutant, in a fork, until one of them fails."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.modules = modules
        self.told: dict[str, list[bool]] = {name: [] for name in modules}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not touches_database(item)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for name in self.modules:
            same = ast.parse(Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8"))
            if not self._passes(session, Mutant(name, 0, "no change", same)):
                raise pytest.UsageError(f"The tests of {name} fail without any change; mend them first.")
            for mutant in mutants_of(importlib.import_module(name)):
                is_noticed = not self._passes(session, mutant)
                self.told[name].append(is_noticed)
                if not is_noticed:
                    print(f"{name}:{mutant.line}: {mutant.change}", flush=True)
            print(f"{name}: {sum(self.told[name])} of {len(self.told[name])} noticed", flush=True)
        return True

    def _passes(self, session: pytest.Session, mutant: Mutant) -> bool:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            os._exit(self._in_the_child(session, mutant))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def _in_the_child(self, session: pytest.Session, mutant: Mutant) -> int:
        try:
            exchange_code(importlib.import_module(mutant.module), mutant.tree)
            for item, after in zip(session.items, [*session.items[1:], None], strict=True):
                if any(report.failed for report in runtestprotocol(item, nextitem=after, log=False)):
                    return 1
        except BaseException:
            return 1
        return 0


def main(wanted: str = "") -> int:
    hypothesis_settings.register_profile(
        "mutants",
        max_examples=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    is_enough = True
    for modules, tests in SUITES.items():
        chosen = tuple(name for name in modules if wanted in name)
        if not chosen:
            continue
        child = os.fork()  # a session of pytest each
        if child == 0:
            os._exit(_run(chosen, tests))
        is_enough &= os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return 0 if is_enough else 1


def _run(modules: tuple[str, ...], tests: tuple[str, ...]) -> int:
    experiment = Experiment(modules)
    options = [
        "-q",
        "-s",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile",
        "mutants",
        "--no-header",
    ]
    pytest.main([*options, *tests], plugins=[experiment])
    is_enough = all(told and sum(told) >= FLOOR * len(told) for told in experiment.told.values())
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
