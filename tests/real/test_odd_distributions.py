"""What wharf says of pip and uv when it warns of a file is true of the newest of both: each case is published and installed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.odd import Odd, cases

from .programs import Machine, Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

OFFERED = [case for case in cases() if case.is_offered]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of an index with every odd file that is taken, each a project of its own, and with what some require."""
    machine = Machine(tmp_path_factory.mktemp("odd"))
    store, files = machine.home / "store", machine.home / "files"
    paths = [case.made(files) for case in OFFERED]
    machine.wharf(store, "publish", *paths, make_wheel(files, "pyyaml", "6.0"))
    with serving(machine, store) as served:
        yield served


@pytest.mark.parametrize("case", OFFERED, ids=lambda case: case.label)
def test_the_newest_pip_and_uv_do_what_is_said_of_them(odd: Served, machine: Machine, case: Odd) -> None:
    installs = case.table["installs"]
    by_pip, by_uv = machine.environment("by-pip"), machine.environment("by-uv")
    with pytest.raises(AssertionError, match="Traceback") if case.table.get("pip_breaks") else nullcontext():
        machine.pip(by_pip, "install", "--index-url", odd.simple, case.project, fails="pip" not in installs)
    words = ("install", "--python", by_uv, "--default-index", odd.simple, case.project)
    machine.uv("pip", *words, fails="uv" not in installs)
    page = odd.page(case.project)
    assert page["files"][0].get("requires-python") == case.table.get("index")
