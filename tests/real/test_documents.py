"""README and docs/: every block of shell is typed as it is printed, every configuration is loaded by its program or parsed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from tests import web_servers
from tests.makers import make_wheel
from tests.simulator import Hub
from tests.upstream import Upstream
from wharf.index import wharf_toml
from wharf.repository import settings_file

from .conftest import new_token
from .documents import DOCUMENTS, ROOT, Reader, blocks, sections
from .programs import script, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .documents import Block
    from .programs import Machine

pytestmark = pytest.mark.real

ALL = [block for document in DOCUMENTS for block in blocks(document)]
TYPED = {name: each for name, each in sections().items() if any(block.language == "sh" for block in each)}
# Configurations of web servers; tests/real/test_web_servers.py runs those of docs/static-site.md.
SERVERS = {"nginx", "caddyfile", "apache"}
# Where a word is no language, what is shown is data (docs/index-format.md).
DATA = {"", "json", "text"}


@pytest.fixture(scope="session")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip, and with the wharf that is tested."""
    folder = tmp_path_factory.mktemp("reader") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    (folder / "bin" / "wharf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m wharf "$@"\n', encoding="utf-8")
    (folder / "bin" / "wharf").chmod(0o755)
    return folder


@contextmanager
def team_server(reader: Reader) -> Iterator[str]:
    """`wharf serve` over the reader's repository, which lets in whom GitHub lets read."""
    words = [
        sys.executable,
        "-P",
        "-m",
        "wharf",
        "serve",
        "--repo",
        reader.repository,
        "--port",
        "0",
        "--json",
        "--fall-through",
    ]
    environ = reader.machine.environ(PYTHONPATH=str(ROOT), WHARF_PUBLIC_INDEX=reader.public.simple)
    with subprocess.Popen(
        words, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=reader.machine.home
    ) as process:
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())["url"].partition("://")[2]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@contextmanager
def reading(section: list[Block], machine: Machine, venv: Path, folder: Path) -> Iterator[Reader]:
    text = "".join(block.text for block in section)
    with Hub(folder / "hub") as hub, Upstream() as public:
        reader = Reader(machine, venv, hub, public, begun="wharf init" not in text)
        reader.team_member = section[0].document.name == "run.md"
        if "git push" in text:
            reader.clone()
        if "wharf.example.com" not in text:
            yield reader
            return
        with team_server(reader) as reader.team:
            yield reader


@pytest.mark.parametrize("name", TYPED)
def test_what_is_printed_can_be_typed(name: str, machine: Machine, venv: Path, tmp_path: Path) -> None:
    """Each install brings a private package and the public one that it needs; what the document shows as output is said."""
    with reading(TYPED[name], machine, venv, tmp_path) as reader:
        said, typed = reader.types(TYPED[name])
        assert typed
        for each in typed:
            assert each.wanted <= each.packages, f"{each.command}\n{each.packages}\n{said}"
        for block in TYPED[name]:
            if block.language == "text":
                shown = [re.escape(part) for part in reader.replaced(block.text).split("…")]
                assert re.search(".*?".join(shown), said, re.DOTALL), f"{block}\n{said}"


def test_a_fresh_clone_is_set_up(machine: Machine) -> None:
    """The first line of the README, in a copy of what git has."""
    (block,) = (
        block for block in blocks(Path("README.md")) if block.test and block.test.endswith("::test_a_fresh_clone_is_set_up")
    )
    clone = machine.home / "clone"
    files = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in files.split("\0")[:-1]:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    bin_ = machine.home / "bin"
    bin_.mkdir()
    (bin_ / "python3").symlink_to(sys.executable)
    environ = machine.environ(PATH=f"{bin_}:/usr/bin:/bin", PIP_CONFIG_FILE=os.environ.get("PIP_CONFIG_FILE", ""))
    words = ["bash", "-euc", f"{block.text}\nwharf --version"]
    done = subprocess.run(words, cwd=clone, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("wharf, version "), done.stdout


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "toml" and not block.test], ids=str)
def test_a_configuration_in_toml_is_loaded(block: Block, machine: Machine, tmp_path: Path) -> None:
    data = tomllib.loads(block.text)
    if "format" in data:
        assert wharf_toml.parse(block.text.encode()) is not None
        return
    if "source" in data:  # a Pipfile, which is TOML
        assert {"name", "url", "verify_ssl"} <= data["source"][0].keys()
        return
    tool = data["tool"]
    if "wharf" in tool:
        config = settings_file.parse_settings_file(block.text.encode(), tmp_path / "pyproject.toml", own=False)
        assert config is not None
        return
    assert "uv" in tool
    (machine.home / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\n' + block.text, encoding="utf-8")
    machine.run(script("uv"), "lock", "--offline")


def test_nginx_passes_on_what_the_server_needs(machine: Machine, tmp_path: Path) -> None:
    """The configuration of docs/server.md before a server that is started as the sentence before it says."""
    (block,) = (block for block in blocks(Path("docs/server.md")) if block.language == "nginx")
    store, wheel = machine.home / "store", make_wheel(tmp_path, "yourproject")
    secret = new_token(machine, store)
    options = ("--auth", "tokens", "--root-path", "/packages", "--trusted-proxy", "127.0.0.1")
    with serving(machine, store, *options) as served:
        location = block.text.replace("127.0.0.1:8000", served.address)
        assert location != block.text
        with web_servers.nginx(location) as address:
            twine = (
                "twine",
                "upload",
                "--repository-url",
                f"{address}/packages/legacy/",
                "-u",
                "__token__",
                "-p",
                secret,
                wheel,
            )
            machine.run(sys.executable, "-m", *twine)
            python = machine.uv_environment()
            url = f"{address}/packages/simple/".replace("://", f"://x:{secret}@")
            machine.uv("pip", "install", "--python", python, "--default-index", url, "yourproject")
            machine.pip(python, "install", "--index-url", url, "--force-reinstall", "yourproject")
            forged = {"X-Forwarded-For": "203.0.113.7"}
            wrong = httpx.get(f"{address}/packages/simple/", auth=("x", "wharf_wrong"), headers=forged)
            assert wrong.status_code == 401
        said = (machine.home / f"{store.name}.err").read_text(encoding="utf-8")
        assert "refused: GET /simple/ from 127.0.0.1: 401 " in said, (
            "the address that the proxy sees, not one that a client says"
        )


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "yaml"], ids=str)
def test_a_workflow_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


def test_no_block_is_passed_over() -> None:
    """A block of a language that nothing here knows, a reason that is none, and a test that is not there are found."""
    for block in ALL:
        assert block.language in {"sh", "toml", "yaml"} | SERVERS | DATA, block
        if block.language in SERVERS and not block.test:
            assert block.document == Path("docs/static-site.md"), block
        if block.reason is not None:
            assert len(block.reason.split()) > 3, block
        if block.test is not None:
            file, _, name = block.test.partition("::")
            assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), block
