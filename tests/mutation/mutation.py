"""A function of the package with one change, for tests that must notice it."""

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType

import firmware_retry


@dataclass(frozen=True)
class Mutation:
    """A function of the package, and its source with one change."""

    function: str
    """``module.function`` or ``module.Class.function``, relative to the package."""
    change: str
    """The changed source, on one line."""
    line: int
    """Where, in the file of the module."""
    source: str

    def __str__(self) -> str:
        return f"{self.function}: {self.change}"

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Run the changed function in place of the original, wherever it is imported."""
        original = self.install()
        try:
            yield
        finally:
            find_function(self.function).__code__ = original

    def install(self) -> CodeType:
        """Change the function for good, and return its original code."""
        function = find_function(self.function)
        original = function.__code__
        tree = ast.parse(self.source)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.decorator_list.clear()
        changed: dict[str, FunctionType] = {}
        exec(compile(tree, original.co_filename, "exec"), function.__globals__, changed)
        function.__code__ = changed[definition.name].__code__
        return original


def find_function(name: str) -> FunctionType:
    """Return a function, or the one below its decorators: property, classmethod, cache, ..."""
    place, _, last = name.rpartition(".")
    found = inspect.getattr_static(pkgutil.resolve_name(f"firmware_retry.{place}"), last)
    if isinstance(found, property):
        found = found.fget
    function = inspect.unwrap(found)
    assert isinstance(function, FunctionType), f"{name} is no function"
    return function


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the name and the definition, without docstring, of each function of the package."""
    for module in pkgutil.walk_packages(firmware_retry.__path__, "firmware_retry."):
        place = module.name.removeprefix("firmware_retry.")
        tree = ast.parse(inspect.getsource(pkgutil.resolve_name(module.name)))
        owners = [(place, tree)] + [
            (f"{place}.{node.name}", node) for node in tree.body if isinstance(node, ast.ClassDef)
        ]
        for owner, node in owners:
            for definition in node.body:
                if isinstance(definition, ast.FunctionDef) and not _calls_super(definition):
                    if ast.get_docstring(definition) is not None:
                        definition.body[:1] = [] if definition.body[1:] else [ast.Pass()]
                    yield f"{owner}.{definition.name}", definition


def _calls_super(definition: ast.FunctionDef) -> bool:
    """Return whether a function cannot be compiled outside of its class."""
    return "super()" in ast.unparse(definition)
