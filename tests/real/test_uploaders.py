"""Uploaders of other makers and other times: what they send is taken, and their users read why a file is refused."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.running import soon
from tests.server.session_client import SessionClient

from .programs import Ran
from .test_run import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .programs import Machine, Served

pytestmark = pytest.mark.real

USER = "__token__"
FLIT = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
PROJECT = '[project]\nname = "demo"\nversion = "1.0"\ndescription = "A demonstration"\nrequires-python = ">=3.9"\n'


def with_twine(program: str) -> Callable[..., Ran]:
    def upload(machine: Machine, served: Served, token: str, tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
        twine = sys.executable if program == "twine" else tool(tmp_path, "python", program)
        words = (twine, "-m", "twine", "--no-color", "upload", "--non-interactive", "--disable-progress-bar")
        secrets = {"TWINE_USERNAME": USER, "TWINE_PASSWORD": token}
        return machine.run(*words, "--repository-url", served.legacy, wheel, fails=fails, **secrets)

    return upload


def with_hatch(machine: Machine, served: Served, token: str, tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
    hatch = tool(tmp_path, "hatch", "hatch")
    secrets = {"HATCH_INDEX_USER": USER, "HATCH_INDEX_AUTH": token, "HATCH_INDEX_REPO": served.legacy}
    return machine.run(hatch, "publish", "--no-prompt", wheel, fails=fails, **secrets)


def with_flit(machine: Machine, served: Served, token: str, tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
    """flit builds what it uploads: a module with the wheel's content."""
    project = wheel.parent
    (project / "demo.py").write_text(f"content = {wheel.read_bytes()[:1000]!r}\n")
    (project / "pyproject.toml").write_text(f"{PROJECT}\n{FLIT}")
    flit = tool(tmp_path, "flit", "flit")
    secrets = {"FLIT_USERNAME": USER, "FLIT_PASSWORD": token, "FLIT_INDEX_URL": served.legacy}
    words: list[str | Path] = [flit, "-f", project / "pyproject.toml", "publish", "--format", "wheel"]
    # It shows a refusal at the end of a traceback, which is its own way.
    done = subprocess.run(words, env=machine.environ(**secrets), capture_output=True, text=True, timeout=120)
    assert bool(done.returncode) is fails, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def with_pdm(machine: Machine, served: Served, token: str, tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
    project = tmp_path / "project"
    project.mkdir(exist_ok=True)
    (project / "pyproject.toml").write_text(PROJECT)
    pdm = tool(tmp_path, "pdm", "pdm[locked]")
    secrets = {"PDM_PUBLISH_USERNAME": USER, "PDM_PUBLISH_PASSWORD": token, "PDM_PUBLISH_REPO": served.legacy}
    return machine.run(pdm, "publish", "-p", project, "--no-build", "-d", wheel.parent, fails=fails, **secrets)


def with_poetry(machine: Machine, served: Served, token: str, tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
    project = tmp_path / "project"
    project.mkdir(exist_ok=True)
    (project / "pyproject.toml").write_text(PROJECT)
    poetry = tool(tmp_path, "poetry", "poetry")
    at = {"POETRY_REPOSITORIES_WHARF_URL": served.legacy}
    secrets = {"POETRY_HTTP_BASIC_WHARF_USERNAME": USER, "POETRY_HTTP_BASIC_WHARF_PASSWORD": token}
    words = ("publish", "--no-interaction", "--repository", "wharf", "--directory", project, "--dist-dir", wheel.parent)
    return machine.run(poetry, *words, fails=fails, **at, **secrets)


def with_maturin(machine: Machine, served: Served, token: str, tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
    maturin = tool(tmp_path, "maturin", "maturin")
    secrets = {"MATURIN_USERNAME": USER, "MATURIN_PASSWORD": token, "MATURIN_REPOSITORY_URL": served.legacy}
    return machine.run(maturin, "upload", "--non-interactive", wheel, fails=fails, **secrets)


def with_uv(machine: Machine, served: Served, token: str, _tmp_path: Path, wheel: Path, *, fails: bool) -> Ran:
    words = ("publish", "--trusted-publishing", "never", "--publish-url", served.legacy)
    return machine.uv(*words, wheel, fails=fails, UV_PUBLISH_TOKEN=token)


@contextmanager
def session_beside(served: Served, token: str, folder: Path) -> Iterator[None]:
    """Another release of the same project, which is staged before and published afterwards."""
    with httpx.Client(base_url=served.legacy.removesuffix("/legacy/"), timeout=60) as http:
        client = SessionClient(http, (USER, token))
        session = client.staged(make_wheel(folder, version="2.0"), version="2.0")
        yield
        assert client.publish(session).raise_for_status().json()["status"] == "published"
    soon(lambda: served.page("demo")["versions"] == ["1.0", "2.0"])


@pytest.mark.parametrize(
    "upload",
    [
        pytest.param(with_twine("twine"), id="twine"),
        pytest.param(with_twine("twine==6.0.1"), id="twine-6.0"),
        pytest.param(with_uv, id="uv"),
        pytest.param(with_hatch, id="hatch"),
        pytest.param(with_flit, id="flit"),
        pytest.param(with_poetry, id="poetry"),
        pytest.param(with_maturin, id="maturin"),
    ],
)
def test_its_user_reads_why_a_file_is_refused(
    upload: Callable[..., Ran], machine: Machine, empty: Served, token: str, tmp_path: Path
) -> None:
    with session_beside(empty, token, tmp_path / "beside"):
        upload(machine, empty, token, tmp_path, make_wheel(tmp_path / "one"), fails=False)
        assert empty.page("demo")["versions"] == ["1.0"]
    said = upload(machine, empty, token, tmp_path, make_wheel(tmp_path / "two", content="other"), fails=True).text
    assert "File already exists." in said
    assert "demo" in said.partition("File already exists.")[2].partition("\n")[0]
    assert token not in said


def test_pdm_uploads(machine: Machine, empty: Served, token: str, tmp_path: Path) -> None:
    """Of a refusal it shows no more than the number: its cache loses what the status line says."""
    with session_beside(empty, token, tmp_path / "beside"):
        with_pdm(machine, empty, token, tmp_path, make_wheel(tmp_path / "one"), fails=False)
        assert empty.page("demo")["versions"] == ["1.0"]
    said = with_pdm(machine, empty, token, tmp_path, make_wheel(tmp_path / "two", content="other"), fails=True).text
    assert "409" in said


def test_twine_brings_a_signature_along(machine: Machine, empty: Served, token: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    signature = wheel.with_name(f"{wheel.name}.asc")
    signature.write_text("-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n")
    words = (sys.executable, "-m", "twine", "--no-color", "upload", "--verbose", "--non-interactive", "--repository-url")
    said = machine.run(*words, empty.legacy, wheel, signature, TWINE_USERNAME=USER, TWINE_PASSWORD=token).text
    assert f"The signature {signature.name!r} was dropped" in said
    assert len(empty.page("demo")["files"]) == 1
