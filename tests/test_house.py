"""The plan of the house: imports point down, no circles, one home for each client, and `__init__` that only explain.

Each failure says what to do. The plan in words is ARCHITECTURE.md, "The wings".
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import wharf

ROOT = Path(wharf.__file__).parent

# The rooms of the house, from the ground up. A room is a folder (a wing) or a file of `wharf/`.
LAYERS = (
    ("words", {"errors", "model", "secret"}),
    ("ground", {"system", "text_formats", "repository_address", "run_port"}),
    ("matter", {"distribution", "clients", "transport"}),
    ("index", {"index"}),
    ("assets", {"assets"}),
    ("reading", {"pages", "sources"}),
    ("stores", {"github", "site"}),
    ("gathering", {"repository"}),
    ("verbs", {"operations"}),
    ("fronts", {"server"}),
    ("fronts", {"cli"}),
)
# The rooms of the server, from the ground up.
SERVER = (
    {"http", "daemon_threads", "logs", "claimed_names", "rules"},
    {"access", "json_pages"},
    {"files"},
    {"answer_maker", "ready_answers"},
    {"answer_cache"},
    {"refresh"},
    {"upstream"},
    {"page_requests"},
    {"fall_through"},
    {"past"},
    {"simple_api", "web"},
    {"management", "sessions"},
    {"access_choice", "file_answers"},
    {"app", "startup_check"},
    {"options"},
    {"reading_choice"},
    {"operator_server", "run_server"},
)
# Third-party clients, and the one file or wing that each of them is used in.
HOMES = {
    "certifi": "transport/environment.py",
    "configupdater": "text_formats/ini_editing.py",
    "cryptography": "github/app_jwt.py",  # PyJWT signs with it, and lets one of its errors through
    "fastapi": "server/web/fastapi_router.py server/management/",
    "git": "index/git.py",
    "github": "github/pygithub_requester.py github/rest_calls.py github/app_jwt.py",
    "httptools": "server/http/protocol.py",
    "jwt": "github/app_jwt.py",  # PyGithub signs with it, and what it raises is caught there
    "jinja2": "pages/html.py",
    "mimeparse": "pages/content_negotiation.py",
    "platformdirs": "cli/config_files.py",
    "pypi_simple": "sources/public_index_address.py sources/upstream_html.py",
    "python_multipart": "server/web/upload_form_parser.py",
    "rich": "cli/progress_bars.py",
    "tomlkit": "text_formats/toml_editing.py",
    "tomllib": "text_formats/toml_and_json.py",
    "urllib3": "transport/",
    "uvicorn": "server/http/",
}
# What turns bytes into values and back: no sockets, no processes, no frameworks.
PURE = {
    "errors",
    "model",
    "secret",
    "text_formats",
    "repository_address",
    "distribution",
    "clients",
    "pages",
}
IMPURE = {"socket", "subprocess", "git", "fastapi", "starlette", "uvicorn", "asyncio", "urllib3", "requests", "github"}
MOST_ROOMS = 24
MOST_ARROWS = 100
MOST_LINES = 350
MOST_STATEMENT_LINES = 40


def _name(path: Path) -> str:
    """`wharf/index/git.py` is index.git, and the `__init__` of a wing has the name of the wing."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py")) if _name(path) not in {"__init__", "__main__"}}


@cache
def _imports(path: Path) -> set[str]:
    """Every module that a file imports, by its full name; of `from a import b` both `a` and `a.b`. Types count, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _ours(path: Path) -> set[str]:
    """The modules of wharf that a file imports, without `wharf.`."""
    return {name.removeprefix("wharf.") for name in _imports(path) if name.startswith("wharf.")} & (
        MODULES.keys() - {room for room in MODULES if (ROOT / room.replace(".", "/")).is_dir()}
    )


GRAPH = {name: _ours(path) - {name} for name, path in MODULES.items()}


def _room(name: str, depth: int = 1) -> str:
    return ".".join(name.split(".")[:depth])


def _between(depth: int, within: str = "") -> dict[str, set[str]]:
    """The arrows between rooms: those of the house (1), or those of a wing (2)."""
    found: dict[str, set[str]] = {}
    for name, others in GRAPH.items():
        if name.startswith(within):
            room = _room(name, depth)
            found.setdefault(room, set()).update(_room(each, depth) for each in others if each.startswith(within))
            found[room].discard(room)
    return found


def _circle(graph: dict[str, set[str]]) -> list[str]:
    """A way through the graph that ends where it begins, or nothing."""
    done: set[str] = set()

    def walk(room: str, way: tuple[str, ...]) -> list[str]:
        if room in way:
            return [*way[way.index(room) :], room]
        if room not in done:
            for each in sorted(graph.get(room, ())):
                if found := walk(each, (*way, room)):
                    return found
            done.add(room)
        return []

    return next((found for room in sorted(graph) if (found := walk(room, ()))), [])


def _upwards(graph: dict[str, set[str]], level: dict[str, int]) -> Iterator[str]:
    for room, others in graph.items():
        for each in others:
            if level[each] > level[room] or (level[each] == level[room] and room != each and room in graph.get(each, ())):
                yield f"{room} imports {each}"


def test_every_room_has_its_place() -> None:
    placed = set().union(*(rooms for _, rooms in LAYERS))
    there = {_room(name) for name in MODULES}
    assert there == placed, (
        f"Not in LAYERS: {sorted(there - placed)}; gone: {sorted(placed - there)}. "
        "Put a new file into the wing of its noun. A new wing needs a layer here and a line in ARCHITECTURE.md."
    )
    server = {_room(name, 2).removeprefix("server.") for name in MODULES if name.startswith("server.")}
    assert server == set().union(*SERVER), (
        f"Give each of {sorted(server ^ set().union(*SERVER))} its place in SERVER, or take it out."
    )


def test_imports_point_down_between_the_wings() -> None:
    level = {room: number for number, (_, rooms) in enumerate(LAYERS) for room in rooms}
    wrong = sorted(_upwards(_between(1), level))
    assert not wrong, f"{wrong}. Move what is needed down, or let the lower wing define a protocol of what it needs."


def test_imports_point_down_within_the_server() -> None:
    level = {f"server.{room}": number for number, rooms in enumerate(SERVER) for room in rooms}
    graph = {room: others for room, others in _between(2, "server.").items() if room in level}
    wrong = sorted(_upwards(graph, level))
    assert not wrong, f"{wrong}. Move what is needed down, or let the lower room define a protocol of what it needs."


@pytest.mark.parametrize(
    ("what", "graph"), [("rooms", _between(1)), ("wings of the server", _between(2, "server.")), ("files", GRAPH)]
)
def test_there_is_no_circle(what: str, graph: dict[str, set[str]]) -> None:
    found = _circle(graph)
    assert not found, f"A circle of {what}: {' -> '.join(found)}. Move what both need into a file beneath both (types, too)."


@pytest.mark.parametrize("client", HOMES)
def test_a_third_party_client_has_one_home(client: str) -> None:
    users = {
        str(path.relative_to(ROOT)) for path in MODULES.values() if client in {name.split(".")[0] for name in _imports(path)}
    }
    homes = HOMES[client].split()
    others = {
        user for user in users if not any(user == home or (home.endswith("/") and user.startswith(home)) for home in homes)
    }
    assert not others, f"{sorted(others)} import {client}, whose home is {HOMES[client]}. Ask that file for what you need."
    assert users, f"Nothing imports {client} any more: take it out of HOMES, and out of pyproject.toml."


@pytest.mark.parametrize("room", sorted(PURE))
def test_what_is_pure_opens_nothing(room: str) -> None:
    for name, path in MODULES.items():
        if _room(name) == room:
            wrong = {each for each in _imports(path) if each.split(".")[0] in IMPURE}
            assert not wrong, f"{name} is pure and imports {sorted(wrong)}. Take values in, and let a wing above open things."


def test_the_init_of_a_wing_only_explains() -> None:
    for path in ROOT.rglob("__init__.py"):
        if path.parent != ROOT:
            body = ast.parse(path.read_text(encoding="utf-8")).body
            only = len(body) == 1 and ast.get_docstring(ast.Module(body, [])) is not None
            assert only, (
                f"{path.relative_to(ROOT)} has more than a docstring. Put code into a file with the name of what it holds."
            )


def test_the_init_of_a_wing_names_its_rooms() -> None:
    for path in ROOT.rglob("__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rooms = {each.stem for each in path.parent.glob("*.py")} - {"__init__"}
        unnamed = sorted(room for room in rooms if f"`{room}`" not in said)
        if path.parent != ROOT:
            assert not unnamed, f"{path.relative_to(ROOT)} does not say what `{'`, `'.join(unnamed)}` hold. One line for each."


def test_no_file_is_named_twice() -> None:
    names = [name.split(".")[-1] for name in MODULES if not (ROOT / name.replace(".", "/")).is_dir()]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"{twice} are names of several files. Say in each name what makes it another thing."


def test_the_house_stays_small() -> None:
    graph = _between(1)
    arrows = sum(len(others) for others in graph.values())
    assert len(graph) <= MOST_ROOMS, f"{len(graph)} rooms: which of them are one noun? Make them a wing."
    assert arrows <= MOST_ARROWS, f"{arrows} arrows between rooms: who looks at whom without a need?"


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_long(name: str) -> None:
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{name} has {lines} lines: what idea hides in it? Give it a file."


@pytest.mark.parametrize("name", MODULES)
def test_no_error_is_made_before_it_is_raised_once(name: str) -> None:
    found = re.findall(r"^(\w+)(?:: [^=\n]+)? = \w*Error\(", MODULES[name].read_text(encoding="utf-8"), re.MULTILINE)
    assert not found, (
        f"{name} has one {found} for all: each raise adds its frames to it, with all that they hold. Make one each time."
    )


@pytest.mark.slow
def test_no_function_is_long() -> None:
    found = []
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                if body and (body[-1].end_lineno or 0) - body[0].lineno + 1 > MOST_STATEMENT_LINES:
                    found.append(f"{name}.{node.name}")
    assert not found, f"{found} have more than {MOST_STATEMENT_LINES} lines after signature and docstring. Name their parts."


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom wharf.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(modules.splitlines()[-1].split())
    assert "wharf.cli.main" in loaded
    heavy = {"fastapi", "pydantic", "git", "github", "requests", "packaging", "rich", "asyncio", "wharf.model"}
    heavy |= {"wharf.cli.messages", "wharf.secret"}
    assert not loaded & heavy, (
        f"`wharf --help` imports {sorted(loaded & heavy)}. Import it inside of the command that needs it."
    )


def test_the_tests_are_in_the_wings_of_the_house() -> None:
    tests = ROOT.parent / "tests"
    for path in tests.rglob("test_*.py"):
        wing = path.relative_to(tests).parent
        known = wing.parts[:1] in {(), ("actions",), ("real",), ("simulator",)} or (ROOT / wing).is_dir()
        assert known, f"{path}: a test lies in the wing of what it tests, or at the top where that has none."
