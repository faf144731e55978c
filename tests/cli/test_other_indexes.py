"""Other indexes in a person's configuration: `wharf run` closes what could win a name of its index, and names it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_run_command import Desk, desk
from tests.makers import make_wheel
from tests.server.test_claimed_names import public
from wharf.cli.child_process import environment
from wharf.cli.other_indexes import settings
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.upstream import Upstream

__all__ = ["desk", "public"]  # fixtures

BIN = Path(sys.executable).parent
PIP_CONF = ".config/pip/pip.conf"
UV_TOML = ".config/uv/uv.toml"
EXTRA = "[global]\nextra-index-url = x\n"
CLOSED, OPEN = True, False


def written(home: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)


@pytest.mark.parametrize(
    ("environ", "files", "command", "told"),
    [
        ({"PIP_EXTRA_INDEX_URL": "https://a/"}, {}, "make", {"PIP_EXTRA_INDEX_URL": CLOSED}),
        ({"PIP_Extra-Index_Url": "https://a/"}, {}, "make", {"PIP_Extra-Index_Url": CLOSED}),
        ({"PIP_PYPI_URL": "https://a/"}, {}, "make", {"PIP_PYPI_URL": CLOSED}),
        ({"PIP_EXTRA_INDEX_URL": " ", "PIP_NO_INDEX": "0", "PIP_INDEX_URL": "https://a/"}, {}, "make", {}),
        ({"PIP_EXTRA_INDEX_URL": "http://a/", "PIP_INDEX_URL": "http://a/"}, {}, "make", {}),  # a run in a run
        ({"PIP_FIND_LINKS": "x", "PIP_NO_INDEX": "1"}, {}, "make", {"PIP_FIND_LINKS": OPEN, "PIP_NO_INDEX": OPEN}),
        ({"UV_INDEX_STRATEGY": "unsafe-best-match"}, {}, "make", {"UV_INDEX_STRATEGY=unsafe-best-match": CLOSED}),
        ({"UV_INDEX_STRATEGY": "first-index", "UV_INDEX": "https://a/"}, {}, "make", {}),
        ({"UV_FIND_LINKS": "x"}, {}, "make", {"UV_FIND_LINKS": OPEN}),
        ({"PIPENV_EXTRA_PIP_ARGS": "--extra-index-url https://a/"}, {}, "make", {"PIPENV_EXTRA_PIP_ARGS": OPEN}),
        ({}, {PIP_CONF: "[global]\nextra_index_url = https://a/\n"}, "make",
         {f"extra-index-url in [global] of ~/{PIP_CONF}": CLOSED}),
        ({}, {".pip/pip.conf": "[install]\nextra-index-url =\n  https://a/\n  https://b/\n"}, "make",
         {"extra-index-url in [install] of ~/.pip/pip.conf": CLOSED}),
        ({}, {PIP_CONF: "[install]\nfind-links = x\nno-index = no\n"}, "make",
         {f"find-links in [install] of ~/{PIP_CONF}": OPEN}),
        ({"VIRTUAL_ENV": "~/venv"}, {"venv/pip.conf": EXTRA}, "make",
         {"extra-index-url in [global] of ~/venv/pip.conf": CLOSED}),
        ({"PIP_CONFIG_FILE": "~/own"}, {"own": EXTRA, PIP_CONF: EXTRA},
         "make", {"extra-index-url in [global] of ~/own": CLOSED}),
        ({"PIP_CONFIG_FILE": os.devnull}, {PIP_CONF: EXTRA}, "make", {}),
        ({}, {PIP_CONF: "broken"}, "make", {}),
        ({}, {"etc/pip/pip.conf": EXTRA}, "make", {}),  # of the whole machine
        ({}, {"etc/pip/pip.conf": EXTRA}, "pip3.11 install demo",
         {"extra-index-url in [global] of ~/etc/pip/pip.conf": CLOSED}),
        ({}, {"etc/pip/pip.conf": EXTRA}, "python3 -m pip install demo",
         {"extra-index-url in [global] of ~/etc/pip/pip.conf": CLOSED}),
        ({}, {"etc/pip/pip.conf": EXTRA}, "uv sync", {}),
        ({}, {UV_TOML: 'index-strategy = "unsafe-first-match"\n'}, "make", {f"index-strategy in ~/{UV_TOML}": CLOSED}),
        ({}, {"here/uv.toml": '[pip]\nindex-strategy = "unsafe-best-match"\n'}, "make",
         {"index-strategy in ~/here/uv.toml": CLOSED}),
        ({}, {"pyproject.toml": '[tool.uv]\nindex-strategy = "unsafe-best-match"\nfind-links = ["x"]\n'}, "make",
         {"index-strategy in ~/pyproject.toml": CLOSED, "find-links in ~/pyproject.toml": OPEN}),
        ({"UV_NO_CONFIG": "1"}, {UV_TOML: 'index-strategy = "unsafe-first-match"\n'}, "make", {}),
        ({}, {UV_TOML: "broken"}, "make", {}),
        ({}, {".config/pdm/config.toml": '[pypi.corp]\nurl = "https://a/"\n[pypi]\nurl = "https://b/"\n'}, "make",
         {"[pypi.corp] in ~/.config/pdm/config.toml": OPEN}),
        ({}, {}, "pip install --extra-index-url https://a/ demo", {"--extra-index-url on the command line": OPEN}),
        ({}, {}, "uv pip install --index-strategy=unsafe-best-match demo", {"--index-strategy on the command line": OPEN}),
        ({}, {}, "uv pip install --index-strategy first-index demo", {}),
        ({}, {}, "grep --index x", {}),
        ({}, {"here/r.txt": "demo\n  --extra-index-url=https://a/\n-i https://b/\n"}, "pip install -r r.txt",
         {"--extra-index-url in ~/here/r.txt": OPEN, "-i in ~/here/r.txt": OPEN}),
    ],
)  # fmt: skip
def test_what_is_set_is_found(
    tmp_path: Path, environ: dict[str, str], files: dict[str, str], command: str, told: dict[str, bool]
) -> None:
    written(tmp_path, files)
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    full = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "etc"), "PATH": "", **environ}
    full = {name: value.replace("~", str(tmp_path)) for name, value in full.items()}
    found = settings(full, shlex.split(command), here)
    machine = {"/etc/pip.conf", "/etc/uv/uv.toml"}  # what the machine that runs this has
    shown = {each.text.replace(str(tmp_path), "~"): each.closed for each in found if each.text.split()[-1] not in machine}
    assert shown == told


def test_what_pip_takes_for_another_index_is_not_in_the_environment() -> None:
    before = {"PIP_Pypi-Url": "a", "PIP_index_url": "b", "PIP_extra-index-url": "c", "PIP_FIND_LINKS": "d", "PIP_PROXY": "e"}
    found = environment(before, 1, Secret("x"))
    assert {name: found[name] for name in found if name.startswith("PIP_")} == {
        "PIP_INDEX_URL": "http://wharf:x@127.0.0.1:1/simple/",
        "PIP_EXTRA_INDEX_URL": "http://wharf:x@127.0.0.1:1/simple/",
        "PIP_FIND_LINKS": "d",
        "PIP_PROXY": "e",
    }
    kept = environment({**before, "UV_INDEX_STRATEGY": "unsafe-best-match"}, 1, Secret("x"), keep_indexes=True)
    assert (kept["PIP_extra-index-url"], kept["UV_INDEX_STRATEGY"]) == ("c", "unsafe-best-match")
    assert {"PIP_EXTRA_INDEX_URL", "PIP_Pypi-Url", "PIP_index_url"}.isdisjoint(kept)


# Real installers, and an index elsewhere with a higher version


def _pip(target: Path) -> list[object]:
    return [BIN / "pip", "--disable-pip-version-check", "install", "-q", "--no-cache-dir", "--target", target, "demo"]


def _uv(target: Path) -> list[object]:
    return [BIN / "uv", "pip", "install", "-q", "--no-cache", "--target", target, "--python", sys.executable, "demo"]


STRATEGY = 'index-strategy = "unsafe-best-match"\n'
CASES: dict[str, tuple[Callable[[Path], list[object]], dict[str, str], dict[str, str], bool]] = {
    # Whether it wins with --keep-indexes is in the last place.
    "pip, a variable": (_pip, {"PIP_EXTRA_INDEX_URL": "@"}, {}, True),
    "pip, a file": (_pip, {}, {PIP_CONF: "[install]\nextra-index-url = @\n"}, True),
    "pip, another name of the option": (_pip, {"PIP_PYPI_URL": "@"}, {}, False),
    "uv, a strategy": (_uv, {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_DEFAULT_INDEX": "@"}, {}, True),
    "uv, a strategy in a file": (_uv, {"UV_DEFAULT_INDEX": "@"}, {UV_TOML: STRATEGY}, True),
    "uv, an index": (_uv, {"UV_INDEX": "@"}, {}, False),
    "uv, an extra index": (_uv, {"UV_EXTRA_INDEX_URL": "@", "UV_INDEX_URL": "@"}, {}, False),
    "uv, indexes in a file": (_uv, {}, {UV_TOML: 'extra-index-url = ["@"]\n[[index]]\nname = "wharf"\nurl = "@"\n'}, False),
}
NAMED = {
    "pip, a variable": "PIP_EXTRA_INDEX_URL",
    "pip, a file": "extra-index-url in [install] of",
    "pip, another name of the option": "PIP_PYPI_URL",
    "uv, a strategy": "UV_INDEX_STRATEGY=unsafe-best-match",
    "uv, a strategy in a file": "index-strategy in",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_no_other_index_wins_a_name(desk: Desk, public: Upstream, case: str) -> None:
    command, environ, files, wins = CASES[case]
    environ = {name: value.replace("@", public.simple) for name, value in environ.items()}
    environ |= {"XDG_CONFIG_DIRS": str(desk.home), "no_proxy": "*"}
    written(desk.home, {name: text.replace("@", public.simple) for name, text in files.items()})
    for keep in (False, *([True] if wins else [])):
        target = desk.home / f"target-{keep}"
        _, err = desk.run(*(["--keep-indexes"] if keep else []), "--", *command(target), code=0, **environ)
        assert {path.name for path in target.glob("*.dist-info")} == {f"demo-{'99.0' if keep else '1.0'}.dist-info"}
        assert (f"note: {NAMED.get(case, 'nothing')}" in err, "--keep-indexes" in err) == ((case in NAMED and not keep,) * 2)
        assert public.simple not in err


@pytest.mark.slow
def test_links_stay_with_a_warning(desk: Desk, tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "demo", "2.0")
    target = desk.home / "target"
    _, err = desk.run("--", *_uv(target), UV_FIND_LINKS=str(tmp_path / "links"), UV_OFFLINE="0")
    assert {path.name for path in target.glob("*.dist-info")} == {"demo-2.0.dist-info"}
    assert err == "warning: UV_FIND_LINKS stays as it is: what it names can win over this index.\n"
