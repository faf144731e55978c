"""The plan of the house: imports point down, and each third-party client lives in one file."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wharf

ROOT = Path(wharf.__file__).parent

# From the ground up. What is not named here has no room yet.
LAYERS = (
    {"clock", "errors", "remedies", "fault", "model", "parsing", "secret", "install_commands"},
    {
        *("address", "distribution", "record", "change", "settings", "index_file", "edits", "clients", "pages", "site"),
        *("account", "quota", "replies", "reservation", "tallies", "listing"),
    },
    {
        *("objects", "snapshot", "branch", "folder", "own_folder", "regular_file", "tokens", "repository"),
        *("clone", "credentials", "github", "remote", "releases", "shipment", "store", "upload", "wire"),
        *("upstream", "site_folder"),
        *("handover", "private_folder", "shared_port"),
    },
    {"operations"},
    {"cli", "server"},
)
ONE_FILE = {
    "configupdater": "edits.py",
    "tomlkit": "edits.py",
    "git": "objects.py",
    "httpx": "wire.py",
    "jinja2": "pages/html.py",
    "mimeparse": "pages/negotiate.py",
    "platformdirs": "cli/output.py",
    "pypi_simple": "upstream.py",
    "rich": "cli/bars.py",
    "tomllib": "parsing.py",
    "uvicorn": "server/__init__.py server/protocol.py",  # the server, and the protocol that it runs
    "httptools": "server/protocol.py",
    "fastapi": "server/app.py",
    "python_multipart": "server/form.py",
}
PURE_FORBIDS = {"socket", "subprocess", "git", "fastapi", "starlette", "uvicorn", "asyncio", "httpx"}
MODULES = sorted(ROOT.rglob("*.py"))


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, by its full name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _layer(room: str) -> int | None:
    return next((level for level, rooms in enumerate(LAYERS) if room in rooms), None)


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = _room(path)
    if room in {"__init__", "__main__"}:
        return
    level = _layer(room)
    assert level is not None, f"{room} has no place in the layers"
    for name in _imports(path):
        if name.startswith("wharf.") and name != "wharf.__version__":
            below = _layer(name.split(".")[1])
            assert below is not None, f"{path} imports {name}"
            assert below <= level, f"{path} imports {name} from above"
        if level <= 1:
            assert name.split(".")[0] not in PURE_FORBIDS, f"{path} is pure and imports {name}"


@pytest.mark.parametrize("client", ONE_FILE)
def test_a_third_party_client_lives_in_one_file(client: str) -> None:
    users = {str(path.relative_to(ROOT)) for path in MODULES if any(name.split(".")[0] == client for name in _imports(path))}
    assert users == set(ONE_FILE[client].split())


def test_rooms_of_a_layer_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        mine = graph.setdefault(_room(path), set())
        mine |= {name.split(".")[1] for name in _imports(path) if name.startswith("wharf.")} - {_room(path)}

    def reach(room: str, seen: frozenset[str]) -> None:
        assert room not in seen, f"a circle through {room}"
        for each in graph.get(room, ()):
            reach(each, seen | {room})

    for room in graph:
        reach(room, frozenset())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\ntry:\n    from wharf.cli.main import main; main(['--help'])\nexcept SystemExit:\n    print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(modules.splitlines()[-1].split())
    assert "wharf.cli.main" in loaded
    assert not loaded & {"fastapi", "pydantic", "git", "packaging", "rich", "asyncio", "wharf.model"}


def test_no_file_is_long() -> None:
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, f"{path}: what idea hides in it?"
