"""What a function may raise, and what it may ask for: read from the source, without running it.

Names are followed to what they are bound to, attributes by the annotations of classes, of
parameters and of what functions return. What is only known at run time is not found: a function
taken from a list, an attribute without an annotation.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import FunctionType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from domain.errors import CairnError
from domain.session.declarations import RULES, Command

OURS = ("domain", "application", "api")


class Site(NamedTuple):
    """A function, and the class whose method it is.

    Args:
        function: What was written with `def`.
        owner: The class that `self` is of; None of a function of a module.
    """

    function: FunctionType
    owner: type | None = None


class Findings(NamedTuple):
    """What was found in all that a function may call.

    Args:
        raised: The errors that stand behind a `raise`.
        codes: The texts that begin such a call, as in `raise Problem("not_found")`.
        commands: The commands that are named.
    """

    raised: frozenset[type[CairnError]]
    codes: frozenset[str]
    commands: frozenset[type[Command]]


def findings(start: FunctionType, within: Callable[[Site], bool] = lambda _: True) -> Findings:
    """Return what a function and all that it may call raises and asks for.

    Args:
        start: Where to begin; decorators that keep what they wrap are taken off.
        within: Whether what stands in a function counts, and is followed.
    """
    raised: set[type[CairnError]] = set()
    codes: set[str] = set()
    commands: set[type[Command]] = set()
    waiting, seen = [Site(_unwrapped(start))], set[Site]()
    while waiting:
        site = waiting.pop()
        if site in seen or not within(site):
            continue
        seen.add(site)
        found, more = _look(site)
        raised |= found.raised
        codes |= found.codes
        commands |= found.commands
        waiting += more
    return Findings(frozenset(raised), frozenset(codes), frozenset(commands))


def of_module(*roots: str) -> Callable[[Site], bool]:
    """Return a test of functions: whether they stand in one of some packages."""
    return lambda site: site.function.__module__.partition(".")[0] in roots


@cache
def _look(site: Site) -> tuple[Findings, tuple[Site, ...]]:
    tree = _tree_of(site.function)
    if tree is None:
        return Findings(frozenset(), frozenset(), frozenset()), ()
    names = _Names(site)
    names.learn(tree)
    raised: set[type[CairnError]] = set()
    codes: set[str] = set()
    commands: set[type[Command]] = set()
    calls: list[Site] = []
    for node in (inside for statement in tree.body for inside in ast.walk(statement)):
        match node:
            case ast.Raise(exc=ast.expr() as error):
                raised.update(t for t in names.types(error) if issubclass(t, CairnError))
                if isinstance(error, ast.Call):
                    codes.update(_first_text(error))
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()):
                bound = names.bound(node)
                if isinstance(bound, type) and issubclass(bound, Command) and bound in RULES:
                    commands.add(bound)
                calls += names.functions(node)
            case _:
                pass
    return Findings(frozenset(raised), frozenset(codes), frozenset(commands)), tuple(calls)


def _first_text(call: ast.Call) -> Iterator[str]:
    for argument in call.args[:1]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


class _Names:
    """What the names in a function stand for."""

    def __init__(self, site: Site) -> None:
        self._globals = site.function.__globals__
        hints = _hints(site.function)
        self._types = {name: list(_classes(hint)) for name, hint in hints.items()}
        self._types.pop("return", None)
        if site.owner is not None:
            self._types["self"] = [site.owner]

    def learn(self, tree: ast.AST) -> None:
        """Take in what is assigned to names."""
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                    for target, value in zip(targets, values, strict=False):
                        self._assign(target, value)
                case ast.Assign(targets=[target], value=value):
                    self._assign(target, value)
                case ast.withitem(context_expr=value, optional_vars=ast.Name() as target):
                    self._assign(target, value)
                case _:
                    pass

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name) and (types := self.types(value)):
            self._types.setdefault(target.id, []).extend(types)

    def bound(self, node: ast.expr) -> Any:
        """Return what a name of the module, or an attribute of such, is bound to."""
        match node:
            case ast.Name(id=name):
                return None if name in self._types else _made_by(self._globals.get(name))
            case ast.Attribute(value=value, attr=name):
                return getattr(self.bound(value), name, None)
            case _:
                return None

    def types(self, node: ast.expr) -> list[type]:
        """Return the classes that the value of an expression may be of, as far as is known."""
        match node:
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.types(value)
            case ast.IfExp(body=one, orelse=other):
                return self.types(one) + self.types(other)
            case ast.BoolOp(values=values):
                return [known for value in values for known in self.types(value)]
            case ast.Call(func=func):
                made = self.bound(func)
                if isinstance(made, type):
                    return [made]
                if isinstance(func, ast.IfExp):
                    return self.types(func)
                results = (_hints(site.function).get("return") for site in self.functions(func))
                return [known for result in results for known in _classes(result)]
            case ast.Name(id=name) if name in self._types:
                return self._types[name]
            case ast.Name() | ast.Attribute() if isinstance(bound := self.bound(node), type):
                return [bound]
            case ast.Attribute(value=value, attr=name):
                return [known for owner in self.types(value) for known in _attribute(owner, name)]
            case _:
                return []

    def functions(self, node: ast.expr) -> Iterator[Site]:
        """Yield the functions of this program that an expression may name."""
        bound = self.bound(node)
        if isinstance(bound, partial):
            bound = bound.func
        if isinstance(bound, type):
            for name in ("__init__", "__post_init__"):
                yield from _method(bound, name)
        elif callable(bound):
            yield from _site(bound, None)
        elif isinstance(node, ast.Attribute):
            for owner in self.types(node.value):
                yield from _method(owner, node.attr)


def _made_by(bound: Any) -> Any:
    """Return the class that a `maker` stands for; anything else as it is."""
    wrapped = getattr(bound, "__wrapped__", None)
    return wrapped if isinstance(wrapped, type) else bound


def _method(owner: type, name: str) -> Iterator[Site]:
    found = inspect.getattr_static(owner, name, None)
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, (classmethod, staticmethod)):
        found = found.__func__
    yield from _site(found, owner)


def _site(found: Any, owner: type | None) -> Iterator[Site]:
    function = _unwrapped(found)
    if isinstance(function, FunctionType) and function.__module__.partition(".")[0] in OURS:
        yield Site(function, owner)


def _unwrapped(function: Any) -> Any:
    return inspect.unwrap(function) if callable(function) else function


@cache
def _attribute(owner: type, name: str) -> tuple[type, ...]:
    hint = _hints(owner).get(name)
    if hint is not None:
        return tuple(_classes(hint))
    found = inspect.getattr_static(owner, name, None)
    if isinstance(found, property):
        return tuple(_classes(_hints(found.fget).get("return")))
    made = inspect.getattr_static(owner, "__init__")
    tree = _tree_of(made) if isinstance(made, FunctionType) else None
    if tree is None:
        return ()
    names = _Names(Site(made, owner))
    return tuple(
        known
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        for place in (target.elts if isinstance(target, ast.Tuple) else [target])
        if isinstance(place, ast.Attribute) and place.attr == name
        for value in _assigned(target, place, node.value)
        for known in names.types(value)
    )


def _assigned(target: ast.expr, place: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    if target is place:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield value.elts[target.elts.index(place)]


def _classes(hint: Any) -> Iterator[type]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for choice in get_args(hint):
            yield from _classes(choice)
    elif origin is None:
        if isinstance(hint, type):
            yield hint
    elif getattr(origin, "__module__", "").startswith("collections.abc"):
        # What is awaited or iterated is what is asked.
        for inside in get_args(hint):
            yield from _classes(inside)
    elif isinstance(origin, type):
        yield origin


@cache
def _hints(of: Any) -> dict[str, Any]:
    try:
        return get_type_hints(of)
    except (NameError, TypeError):
        return {}


@cache
def _tree_of(function: FunctionType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError, ValueError):
        return None
    return tree if isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
