"""What installers decide by the index: metadata instead of files, upload times, yanks, and Python's version."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel

from .programs import Machine, Served, serving
from .proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


@pytest.fixture
def watched(index: Served) -> Iterator[Proxy]:
    """The server of the shared store behind a proxy that writes down what was asked for."""
    with proxied(index) as proxy:
        yield proxy


@pytest.fixture
def grown(machine: Machine) -> Iterator[tuple[Served, str]]:
    """A store with two versions of a project, and a moment between their uploads."""
    store = machine.home / "grown"
    for version in ("1.0", "2.0"):
        machine.wharf(store, "publish", make_wheel(machine.home, "growing", version))
    with serving(machine, store) as served:
        first, second = (datetime.fromisoformat(each["upload-time"]) for each in served.page("growing")["files"])
        assert first < second
        yield served, (first + (second - first) / 2).isoformat().replace("+00:00", "Z")


def chosen(machine: Machine, served: Served, *words: object) -> dict[str, str]:
    """What a dry run of pip resolves to, by name."""
    python = machine.environment()
    report = machine.home / "report.json"
    index = ("--index-url", served.simple)
    machine.pip(python, "install", "--dry-run", "--report", report, *index, *words)
    found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {each["metadata"]["name"]: each["metadata"]["version"] for each in found}


def uv_chosen(machine: Machine, served: Served, *words: object, fails: bool = False) -> str:
    """What uv resolves to, or what it says when it cannot."""
    requirements = machine.home / "requirements.in"
    requirements.write_text("\n".join(str(word) for word in words if not str(word).startswith("--")), encoding="utf-8")
    options = [word for word in words if str(word).startswith("--")]
    compiling = ("pip", "compile", "--no-header", "--python", sys.executable, "--default-index", served.simple)
    return machine.uv(*compiling, *options, requirements, fails=fails).text


def test_pip_resolves_wheels_by_their_metadata_alone(watched: Proxy, machine: Machine) -> None:
    assert {"Flask", "Werkzeug", "blinker"} <= set(chosen(machine, watched.served, "Flask"))
    assert "flask-3.1.0-py3-none-any.whl.metadata" in watched.names()
    assert not [name for name in watched.names() if name.endswith((".whl", ".tar.gz"))]


def test_pip_says_where_it_has_the_metadata_from(index: Served, machine: Machine) -> None:
    words = ("install", "--dry-run", "-vv", "--index-url", index.simple, "jaraco.classes")
    said = machine.pip(machine.environment(), *words).text
    assert "Obtaining dependency information for jaraco.classes from" in said
    assert "jaraco.classes-3.4.0-py3-none-any.whl.metadata" in said


def test_pip_resolves_sdists_by_their_metadata_where_it_is_sure(watched: Proxy, machine: Machine) -> None:
    assert chosen(machine, watched.served, "leading", "iniconfig") == {
        "leading": "1.0",
        "following.one": "1.0",
        "iniconfig": "2.1.0",
    }
    assert {"following_one-1.0.tar.gz.metadata", "iniconfig-2.1.0.tar.gz.metadata"} <= watched.names()
    assert not [name for name in watched.names() if name.endswith((".whl", ".tar.gz"))]


def test_sdists_whose_metadata_is_unsure_are_looked_into(watched: Proxy, machine: Machine) -> None:
    """Old metadata says nothing about dependencies that can be relied on, and a dynamic field says so itself."""
    assert chosen(machine, watched.served, "docopt", "unsure") == {"docopt": "0.6.2", "unsure": "1.0"}
    assert {"docopt-0.6.2.tar.gz", "unsure-1.0.tar.gz"} <= watched.names()
    assert not {"docopt-0.6.2.tar.gz.metadata", "unsure-1.0.tar.gz.metadata"} & watched.names()


def test_uv_resolves_by_metadata_alone(watched: Proxy, machine: Machine) -> None:
    assert "werkzeug==3.1.3" in uv_chosen(machine, watched.served, "Flask", "leading")
    assert "flask-3.1.0-py3-none-any.whl.metadata" in watched.names()
    assert not [name for name in watched.names() if name.endswith(".whl")]


def test_pip_goes_by_upload_time(grown: tuple[Served, str], machine: Machine) -> None:
    served, between = grown
    assert chosen(machine, served, "growing") == {"growing": "2.0"}
    assert chosen(machine, served, "--uploaded-prior-to", between, "growing") == {"growing": "1.0"}
    before = ("install", "--dry-run", "--index-url", served.simple, "--uploaded-prior-to", "2001-01-01")
    assert "No matching distribution" in machine.pip(machine.environment(), *before, "growing", fails=True).text


def test_uv_goes_by_upload_time(grown: tuple[Served, str], machine: Machine) -> None:
    served, between = grown
    assert "growing==2.0" in uv_chosen(machine, served, "growing")
    assert "growing==1.0" in uv_chosen(machine, served, f"--exclude-newer={between}", "growing")
    assert "growing" in uv_chosen(machine, served, "--exclude-newer=2001-01-01", "growing", fails=True)


def test_pip_passes_yanked_releases_by(index: Served, machine: Machine) -> None:
    assert chosen(machine, index, "retracted") == {"retracted": "1.0"}
    python = machine.environment()
    said = machine.pip(python, "install", "--index-url", index.simple, "retracted==2.0").text
    assert "yanked version" in said
    assert "loses data" in said
    assert machine.value(python, "retracted.__version__") == "2.0"


def test_uv_passes_yanked_releases_by(index: Served, machine: Machine) -> None:
    assert "retracted==1.0" in uv_chosen(machine, index, "retracted")
    said = uv_chosen(machine, index, "retracted==2.0")
    assert "yanked" in said
    assert "loses data" in said


def test_pip_obeys_requires_python(index: Served, machine: Machine) -> None:
    assert chosen(machine, index, "aged", "early") == {"aged": "1.0", "early": "1.0"}
    said = machine.pip(machine.environment(), "install", "--index-url", index.simple, "aged==2.0", fails=True).text
    assert "Requires-Python <3" in said


def test_uv_obeys_requires_python(index: Served, machine: Machine) -> None:
    """But not its upper bounds, which uv passes over on purpose."""
    assert "early==1.0" in uv_chosen(machine, index, "early")
    assert "Python>=99" in uv_chosen(machine, index, "early==2.0", fails=True)
