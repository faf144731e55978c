"""What the suite shares: the packages, and one store with all of them that is served and only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_sdist, make_wheel

from .packages import DownloadError, fetched
from .programs import Machine, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .programs import Served


@dataclass(frozen=True, slots=True)
class Full:
    """The store with everything, and what `wharf publish` said when it was filled."""

    store: Path
    files: list[Path]
    document: Any


@pytest.fixture(scope="session")
def packages() -> list[Path]:
    """The real packages."""
    try:
        return fetched()
    except DownloadError as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Packages that no index has: a local version, an epoch, some for no Python of today, one to yank, an sdist."""
    folder = tmp_path_factory.mktemp("made")
    return [
        make_wheel(folder, "localized", "1.0"),
        make_wheel(folder, "localized", "1.0+local.1"),
        make_wheel(folder, "epochal", "3.0"),
        make_wheel(folder, "epochal", "1!2.0"),
        make_wheel(folder, "aged", "1.0", requires_python=">=3"),
        make_wheel(folder, "aged", "2.0", requires_python="<3"),
        make_wheel(folder, "early", "1.0", requires_python=">=3"),
        make_wheel(folder, "early", "2.0", requires_python=">=99"),
        make_wheel(folder, "retracted", "1.0"),
        make_wheel(folder, "retracted", "2.0"),
        make_wheel(folder, "leading", "1.0", requires=["Following_One>=1"], metadata_version="2.4"),
        make_sdist(folder, "following.one", "1.0", metadata_version="2.2"),
        make_sdist(folder, "unsure", "1.0", metadata_version="2.2", dynamic=["Requires-Dist"]),
    ]


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The machine that fills and serves what the session shares."""
    return Machine(tmp_path_factory.mktemp("builder"))


@pytest.fixture(scope="session")
def full(builder: Machine, packages: list[Path], made: list[Path]) -> Full:
    """A store with all the packages, published by one command."""
    store = builder.home / "full"
    files = [*packages, *made]
    done = builder.wharf(store, "publish", *files)
    builder.wharf(store, "yank", "retracted==2.0", "--reason", "loses data")
    return Full(store, files, done.document)


@pytest.fixture(scope="session")
def index(builder: Machine, full: Full) -> Iterator[Served]:
    """The server of that store."""
    with serving(builder, full.store) as served:
        yield served


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine of the test's own."""
    return Machine(tmp_path / "home")


@pytest.fixture
def empty(machine: Machine) -> Iterator[Served]:
    """A server with an empty store."""
    with serving(machine, machine.home / "empty") as served:
        yield served


@pytest.fixture
def token(machine: Machine) -> str:
    """A token that may publish to the empty store."""
    return new_token(machine, machine.home / "empty")


def new_token(machine: Machine, store: Path, *, scope: str = "publish") -> str:
    """Another token for a store."""
    created: str = machine.wharf(store, "token", "create", f"ci-{scope}", "--scope", scope).document["token"]
    return created
