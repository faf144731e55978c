"""Real packages from a store into fresh environments, with every dependency from the index alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Full
    from .programs import Machine, Served

pytestmark = pytest.mark.real

EVERYTHING = {
    "Flask": "flask.Flask",
    "requests": "requests.get",
    "PyYAML": "yaml.CLoader",
    "cffi": "_cffi_backend.FFI",
    "zope.interface": "zope.interface.Interface",
    "PyJWT": "jwt.encode",
    "ruamel.yaml": "ruamel.yaml.YAML",
    "jaraco.classes": "jaraco.classes.properties.NonDataProperty",
    "typing_extensions": "typing_extensions.TypedDict",
    "localized": "localized.content",
}
SDISTS = {"docopt": "docopt.docopt", "six": "six.PY3", "idna": "idna.encode", "following-one": "following_one.content"}


def test_one_command_publishes_everything_in_one_commit(full: Full, machine: Machine) -> None:
    published = {each["filename"]: each for each in full.document["published"]}
    assert set(published) == {path.name for path in full.files}
    assert all(published[path.name]["size"] == path.stat().st_size for path in full.files)
    assert full.document["unchanged"] == []
    entries = machine.wharf(full.store, "log").document["entries"]
    assert [each["verb"] for each in entries if each["commit"] != full.document["commit"]] == ["yank"]
    assert {one["project"] for each in entries for one in each["releases"]} == {each["project"] for each in published.values()}
    assert machine.wharf(full.store, "verify").document["ok"] is True


def test_pip_installs_everything(index: Served, machine: Machine) -> None:
    python = machine.environment()
    machine.pip(python, "install", "--index-url", index.simple, "--only-binary", ":all:", *EVERYTHING)
    for expression in EVERYTHING.values():
        machine.value(python, expression)
    installed = machine.installed(python)
    assert installed["werkzeug"] == "3.1.3"
    assert installed["urllib3"] == "2.3.0"
    machine.pip(python, "check")


def test_uv_installs_everything(index: Served, machine: Machine) -> None:
    python = machine.uv_environment()
    words = ("install", "--python", python, "--default-index", index.simple, "--no-build", *EVERYTHING)
    machine.uv("pip", *words)
    for expression in EVERYTHING.values():
        machine.value(python, expression)
    assert machine.installed(python)["markupsafe"] == "3.0.3"
    machine.uv("pip", "check", "--python", python)


def test_the_pip_that_comes_with_python_installs(index: Served, machine: Machine) -> None:
    machine.run(sys.executable, "-m", "venv", machine.home / "own")
    python = machine.home / "own" / "bin" / "python"
    machine.run(python, "-m", "pip", "--isolated", "--no-cache-dir", "install", "--index-url", index.simple, "Flask")
    machine.value(python, EVERYTHING["Flask"])


def test_pip_builds_sdists(index: Served, machine: Machine) -> None:
    """What they are built with comes from the index too."""
    python = machine.environment()
    machine.pip(python, "install", "--index-url", index.simple, "--no-binary", ",".join(SDISTS), *SDISTS)
    for expression in SDISTS.values():
        machine.value(python, expression)
    assert machine.installed(python)["idna"] == "3.10"


def test_uv_builds_sdists(index: Served, machine: Machine) -> None:
    python = machine.uv_environment()
    only = [word for name in SDISTS for word in ("--no-binary", name)]
    machine.uv("pip", "install", "--python", python, "--default-index", index.simple, *only, *SDISTS)
    for expression in SDISTS.values():
        machine.value(python, expression)
    assert machine.installed(python)["idna"] == "3.10"


@pytest.mark.parametrize("spec", ["localized==1.0+local.1", "localized==1.0", "epochal==1!2.0", "epochal==3.0", "epochal"])
def test_local_versions_and_epochs_install(index: Served, machine: Machine, spec: str) -> None:
    name, _, version = spec.partition("==")
    wanted = version or "1!2.0"  # an epoch is above all versions without one
    expected = "1.0+local.1" if wanted == "1.0" else wanted  # `==1.0` takes every local version of it
    python = machine.environment("by-pip")
    machine.pip(python, "install", "--index-url", index.simple, spec)
    assert machine.value(python, f"{name}.__version__") == expected
    python = machine.uv_environment("by-uv")
    machine.uv("pip", "install", "--python", python, "--default-index", index.simple, spec)
    assert machine.value(python, f"{name}.__version__") == expected
