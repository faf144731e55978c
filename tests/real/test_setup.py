"""`wharf setup`: the real clients read what it writes, and get from the index what they ask for."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.makers import make_wheel

from .conftest import new_token
from .programs import Machine, Ran, Served, script, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

PYPROJECT = """\
[project]
name = "app"  # what we make
version = "1.0"
requires-python = ">=3.11"
dependencies = ["secretive"]

[tool.other]
kept = true
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A server that nobody may read without a token, and one that may publish."""
    machine = Machine(tmp_path_factory.mktemp("guarded"))
    store = machine.home / "store"
    wheels = [make_wheel(machine.home, "secretive", requires=["hidden"]), make_wheel(machine.home, "hidden")]
    machine.wharf(store, "publish", *wheels)
    token = new_token(machine, store)
    with serving(machine, store, "--auth", "tokens") as served:
        yield served, token


def set_up(machine: Machine, served: Served, client: str, *words: object, **environ: str) -> Path:
    """Runs `wharf setup`; the file that it wrote."""
    ran = machine.run(
        *(sys.executable, "-m", "wharf", "setup", client, "--url", served.simple, "--write", "--json"),
        *words,
        fails=False,
        **{"PIP_CONFIG_FILE": "", **environ},
    )
    assert ran.document["changed"] is True
    return Path(ran.document["file"])


def project(machine: Machine) -> Path:
    path = machine.home / "pyproject.toml"
    path.write_text(PYPROJECT, encoding="utf-8")
    return path


def netrc(machine: Machine, token: str) -> None:
    path = machine.home / ".netrc"
    path.write_text(f"machine 127.0.0.1 login x password {token}\n", encoding="utf-8")
    path.chmod(0o600)


def tool(folder: Path, name: str) -> Path:
    """A program of the newest version, in an environment of its own, from whatever index pip is configured for here."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=60)
    words = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", name)
    subprocess.run([folder / "bin/python", *words], check=True, timeout=300)
    return folder / "bin" / name.partition("[")[0]


def nothing_left(machine: Machine, token: str, *ran: Ran) -> None:
    """The token stands in no file of the machine but the one that the test put it into, and nobody said it."""
    for path in machine.home.rglob("*"):
        if path.is_file() and path.name != ".netrc":
            assert token.encode() not in path.read_bytes(), path
    assert not any(token in each.out + each.err for each in ran)


def test_pip_reads_it_and_installs(guarded: tuple[Served, str], machine: Machine) -> None:
    served, token = guarded
    file = set_up(machine, served, "pip")
    assert file == machine.home / ".config/pip/pip.conf"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--no-input")
    listed = machine.run(*pip, "config", "list", PIP_CONFIG_FILE="")
    assert f"global.index-url='{served.simple}'" in listed.out
    python = machine.environment()
    words = (*pip, "--python", python, "install", "-v", "secretive")
    assert f"Looking in indexes: {served.simple} ERROR" in machine.run(*words, PIP_CONFIG_FILE="", fails=True).text
    netrc(machine, token)
    ran = machine.run(*words, PIP_CONFIG_FILE="")
    assert machine.installed(python) == {"secretive": "1.0", "hidden": "1.0"}
    nothing_left(machine, token, ran)


def test_the_file_is_the_one_that_pip_itself_edits(guarded: tuple[Served, str], machine: Machine) -> None:
    served, _ = guarded
    environ = {"PIP_CONFIG_FILE": "", "XDG_CONFIG_HOME": str(machine.home / "config")}
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "config")
    machine.run(*pip, "--user", "set", "global.timeout", "60", fails=False, **environ)
    file = set_up(machine, served, "pip", XDG_CONFIG_HOME=environ["XDG_CONFIG_HOME"])
    assert "timeout = 60" in file.read_text()
    assert machine.run(*pip, "get", "global.index-url", fails=False, **environ).out.strip() == served.simple


def test_uv_locks_and_syncs_with_it(guarded: tuple[Served, str], machine: Machine) -> None:
    served, token = guarded
    file = project(machine)
    assert set_up(machine, served, "uv") == file
    assert "401" in machine.run(script("uv"), "lock", fails=True).text
    secrets = {"UV_INDEX_WHARF_USERNAME": "x", "UV_INDEX_WHARF_PASSWORD": token}
    ran = machine.run(script("uv"), "sync", "-v", "--python", sys.executable, fails=False, **secrets)
    locked = tomllib.loads((machine.home / "uv.lock").read_text())
    assert {each["name"] for each in locked["package"]} == {"app", "secretive", "hidden"}
    assert {each["source"]["registry"] for each in locked["package"] if "registry" in each["source"]} == {served.simple}
    assert "# what we make" in file.read_text()
    nothing_left(machine, token, ran)


def test_uv_reads_the_person_s_own_file(guarded: tuple[Served, str], machine: Machine) -> None:
    served, token = guarded
    assert set_up(machine, served, "uv", "--name", "my-index") == machine.home / ".config/uv/uv.toml"
    python = machine.uv_environment()
    secrets = {"UV_INDEX_MY_INDEX_USERNAME": "x", "UV_INDEX_MY_INDEX_PASSWORD": token}
    ran = machine.run(script("uv"), "pip", "install", "--python", python, "secretive", fails=False, **secrets)
    assert machine.installed(python) == {"secretive": "1.0", "hidden": "1.0"}
    nothing_left(machine, token, ran)


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_poetry_locks_and_installs_with_it(guarded: tuple[Served, str], machine: Machine, poetry: Path, where: str) -> None:
    served, token = guarded
    file = project(machine)
    file.write_text(f"{PYPROJECT}\n[tool.poetry]\npackage-mode = false\n", encoding="utf-8")
    set_up(machine, served, "poetry")
    words = (poetry, "--no-interaction", "--no-ansi")
    machine.run(*words, "check")
    secrets = {}
    if where == "netrc":
        netrc(machine, token)
    else:
        secrets = {"POETRY_HTTP_BASIC_WHARF_USERNAME": "x", "POETRY_HTTP_BASIC_WHARF_PASSWORD": token}
    secrets |= {"POETRY_VIRTUALENVS_IN_PROJECT": "true"}
    ran = [
        machine.run(*words, "lock", "-v", fails=False, **secrets),
        machine.run(*words, "install", "-v", fails=False, **secrets),
    ]
    locked = tomllib.loads((machine.home / "poetry.lock").read_text())
    assert {(each["name"], each["source"]["reference"]) for each in locked["package"]} == {
        ("secretive", "wharf"),
        ("hidden", "wharf"),
    }
    assert machine.installed(machine.home / ".venv/bin/python")["hidden"] == "1.0"
    nothing_left(machine, token, *ran)


def test_poetry_asks_nobody_else_when_its_token_is_refused(guarded: tuple[Served, str], machine: Machine, poetry: Path) -> None:
    served, _ = guarded
    project(machine)
    set_up(machine, served, "poetry")
    said = machine.run(poetry, "--no-interaction", "--no-ansi", "lock", "-vv", fails=True)
    assert "Authorization error" in said.text
    assert "PyPI" not in said.text.replace("Deactivating the PyPI repository", "")


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_pdm_locks_and_installs_with_it(guarded: tuple[Served, str], machine: Machine, pdm: Path, where: str) -> None:
    served, token = guarded
    file = project(machine)
    file.write_text(f"{PYPROJECT}\n[tool.pdm]\ndistribution = false\n", encoding="utf-8")
    set_up(machine, served, "pdm")
    secrets = {"PDM_CHECK_UPDATE": "false"}
    if where == "netrc":
        netrc(machine, token)
    else:
        secrets |= {"PDM_PYPI_USERNAME": "x", "PDM_PYPI_PASSWORD": token}
    python = machine.environment(".venv")  # in the project: there PDM looks first
    ran = machine.run(pdm, "install", "-v", fails=False, **secrets)
    locked = tomllib.loads((machine.home / "pdm.lock").read_text())
    assert {each["name"] for each in locked["package"]} == {"secretive", "hidden"}
    assert machine.installed(python) == {"secretive": "1.0", "hidden": "1.0"}
    nothing_left(machine, token, ran)


def test_pdm_asks_nobody_else_when_its_token_is_refused(guarded: tuple[Served, str], machine: Machine, pdm: Path) -> None:
    served, _ = guarded
    project(machine)
    set_up(machine, served, "pdm")
    secrets = {"PDM_PYPI_USERNAME": "x", "PDM_PYPI_PASSWORD": "wrong", "PDM_CHECK_UPDATE": "false"}
    machine.environment(".venv")
    said = machine.run(pdm, "lock", fails=True, **secrets)
    assert "Unable to find candidates for secretive" in said.text


def test_twine_uploads_with_it(guarded: tuple[Served, str], machine: Machine) -> None:
    served, token = guarded
    file = set_up(machine, served, "twine")
    assert file == machine.home / ".pypirc"
    wheel = make_wheel(machine.home, "uploaded")
    words = ("-m", "twine", "--no-color", "upload", "--verbose", "--non-interactive", "--disable-progress-bar")
    ran = machine.run(sys.executable, *words, "--repository", "wharf", wheel, TWINE_PASSWORD=token)
    assert [each["filename"] for each in index_page(served, token)["files"]] == [wheel.name]
    nothing_left(machine, token, ran)


def index_page(served: Served, token: str) -> dict[str, list[dict[str, str]]]:
    """The page of what was uploaded, as the token lets one read it."""
    basic = b64encode(f"x:{token}".encode()).decode()
    headers = {"Accept": "application/vnd.pypi.simple.v1+json", "Authorization": f"Basic {basic}"}
    with build_opener(ProxyHandler({})).open(Request(f"{served.simple}uploaded/", headers=headers), timeout=60) as answer:
        page: dict[str, list[dict[str, str]]] = json.load(answer)
    return page


@pytest.mark.parametrize("client", ["uv", "poetry", "pip", "pdm"])
def test_without_a_server_the_commands_run_beside_the_index(machine: Machine, poetry: Path, pdm: Path, client: str) -> None:
    """What `wharf setup` writes without --url is where `wharf run` has the index, and pip and PDM need nothing."""
    store = machine.home.parent / "store"
    machine.wharf(store, "publish", make_wheel(machine.home.parent, "secretive"))
    file = project(machine)
    wharf = (sys.executable, "-m", "wharf", "--repo", store)
    machine.run(*wharf, "setup", client, "--write", PIP_CONFIG_FILE="")
    assert (file.read_text() != PYPROJECT) is (client in {"uv", "poetry"})
    python = machine.environment(".venv")
    words: dict[str, tuple[object, ...]] = {
        "uv": (script("uv"), "sync", "--no-install-project"),
        "poetry": (poetry, "--no-interaction", "--no-ansi", "sync", "--no-root"),
        "pip": (sys.executable, "-m", "pip", "--python", python, "install", "--no-cache-dir", "secretive"),
        "pdm": (pdm, "install", "--no-self"),
    }
    if client == "poetry":
        machine.run(*wharf, "run", "--", poetry, "--no-interaction", "--no-ansi", "lock")
    ran = machine.run(*wharf, "run", "--", *words[client], POETRY_VIRTUALENVS_IN_PROJECT="true", PDM_CHECK_UPDATE="0")
    assert machine.installed(python) == {"secretive": "1.0"}
    locks = [path.read_text() for path in machine.home.glob("*.lock")]
    assert len(locks) == (client != "pip")
    assert all("127.0.0.1" in lock and "@127" not in lock for lock in locks if client != "pdm")
    assert "Port" not in ran.err, "it is where the file says"


@pytest.fixture(scope="module")
def poetry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest poetry."""
    return tool(tmp_path_factory.mktemp("poetry"), "poetry")


@pytest.fixture(scope="module")
def pdm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest PDM, with the libraries that it was released with: it does not start with the newest of each."""
    return tool(tmp_path_factory.mktemp("pdm"), "pdm[locked]")
