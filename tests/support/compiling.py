"""Test modules are compiled by one of the processes that run them, and not by each of them.

All processes of a run collect all tests. Where nothing was compiled before, as in a fresh checkout,
each would rewrite and compile every module, at the same time as the others. So each begins with a
share of its own, and finds what the others have done when it collects.
"""

import importlib
import warnings
from contextlib import suppress
from pathlib import Path

import pytest


def compile_own_share(config: pytest.Config) -> None:
    """Import every n-th test module of a run, where this is one of its n processes.

    What is wrong with a module is told when it is collected: it is imported again then.

    Args:
        config: Of this process.
    """
    one_of_many: dict[str, object] | None = getattr(config, "workerinput", None)
    if one_of_many is None:
        return
    count, own = int(str(one_of_many["workercount"])), int(str(one_of_many["workerid"])[2:])
    for path in _modules(config)[own::count]:
        name = ".".join(path.relative_to(config.rootpath).with_suffix("").parts)
        with warnings.catch_warnings(), suppress(Exception, pytest.skip.Exception):
            warnings.simplefilter("error")
            importlib.import_module(name)


def _modules(config: pytest.Config) -> list[Path]:
    found = set[Path]()
    for asked in config.args:
        place = config.invocation_params.dir / asked.partition("::")[0]
        found.update([place] if place.is_file() else place.rglob("test_*.py"))
    return sorted(one for one in found if one.is_relative_to(config.rootpath))
