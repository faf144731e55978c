"""pip, uv, poetry, pdm and twine: what each has to be told to use an index, as text in its own configuration. Pure.

No text holds a token: addresses end up in lock files and logs. Which name belongs to which index is decided here too: pip,
poetry and PDM look in all the indexes that they know, and go on to the next one where the first does not answer or wants a
token. So these three get this index in the place of the public one, and what is public comes through it, or not at all.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from wharf.errors import UsageError
from wharf.text_formats import ini_editing, toml_editing

if TYPE_CHECKING:
    from collections.abc import Iterable

Client: TypeAlias = Literal["pip", "uv", "poetry", "pdm", "twine"]

DEFAULT_NAME = "wharf"
"""The name under which `wharf run` gives its password to uv and poetry."""

_REPLACES = "pypi"  # what PDM calls the public index: a source of that name takes its place
_SERVERS = "pypi testpypi"  # those that twine knows where a .pypirc names none
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", re.ASCII)
_TAKEN = frozenset({"pypi", "testpypi", "distutils", "server-login", "default"})
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%+-]*)*", re.ASCII)
_ROOT = "Write the address below which simple/ is, as in https://wharf.example.com."
_FALL_THROUGH = (
    "{client} gets public packages from this index too, if its server runs with --fall-through; else it finds only what is "
    "published here."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an index is: the address of its root, with a slash at the end. `run`: it is there while `wharf run` runs."""

    root: str
    run: bool = False

    @property
    def simple(self) -> str:
        """What installers are given (PEP 503)."""
        return f"{self.root}simple/"

    @property
    def legacy(self) -> str:
        """Where uploads go to."""
        return f"{self.root}legacy/"

    @property
    def host(self) -> str:
        """Without a port, as ~/.netrc names it."""
        return urlsplit(self.root).hostname or ""

    @property
    def in_the_open(self) -> bool:
        """Whether a token would go over a network without encryption."""
        return self.root.startswith("http://") and not _is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a client needs: a text for its configuration (empty: nothing), environment variables by name, and what to know."""

    client: Client
    text: str = ""
    environment: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse_place(text: str) -> Place:
    """The address that a person types for an index, with or without simple/ at its end. Raises UsageError."""
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise UsageError("The address of the index is not valid: its host or port cannot be right.", _ROOT) from None
    if "@" in text:
        raise UsageError(
            "The address of the index holds a user name or token before the @: those leak.", f"Leave it out. {_ROOT}"
        )
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise UsageError("The address of the index has a query or a fragment, which installers drop.", _ROOT)
    fits = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.netloc.lower()) and _PATH.fullmatch(parts.path)
    path = parts.path.rstrip("/").removesuffix("/simple").rstrip("/")
    if not fits or not port_fits or not text.isprintable() or _steps(path) & {"", ".", ".."}:
        raise UsageError(
            f"{text[:200]!r} is not the address of an index. It needs http or https, a host, and a plain path.", _ROOT
        )
    if path.endswith("/legacy"):
        raise UsageError(f"{text[:200]!r} is where uploads go, not the index.", _ROOT)
    return Place(root=f"{parts.scheme}://{_netloc(parts)}{path}/")


def check_name(name: str | None, client: Client) -> str:
    """The name for the index in that client's configuration. Raises UsageError for one that cannot be, or is of no use."""
    if client in {"pip", "pdm"}:
        if name is not None:
            why = (
                "knows no names of indexes"
                if client == "pip"
                else f"replaces the public index by a source called {_REPLACES!r}"
            )
            raise UsageError(f"{client} {why}.", "Leave --name out.")
        return _REPLACES
    name = name or DEFAULT_NAME
    if not _NAME.fullmatch(name) or name.lower() in _TAKEN:
        raise UsageError(
            f"{name!r} cannot be the name of an index: letters, digits, - and _, and none that means another index.",
            "Leave --name out, or write it as in --name acme.",
        )
    return name


def needs_file(client: Client, place: Place) -> bool:
    """Whether the client has to be told anything: `wharf run` replaces the public index for pip and PDM by itself."""
    return not (place.run and client in {"pip", "pdm"})


def describe(client: Client, place: Place, name: str, file: str) -> Setup:
    """What that client needs for that index. `file`: where it will stand; uv.toml has other keys than pyproject.toml."""
    return {"pip": _pip, "uv": _uv, "poetry": _poetry, "pdm": _pdm, "twine": _twine}[client](place, name, file)


def edit(client: Client, place: Place, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The client's configuration with the index in it, and what to know about what stands there already.

    `file` is its name. Raises UsageError.
    """
    editor = {"pip": _edit_pip, "uv": _edit_uv, "poetry": _edit_poetry, "pdm": _edit_pdm, "twine": _edit_twine}[client]
    changed, notes = editor(place, name, text, file)
    return changed, (*_leaks(place, text, changed, file), *notes)


def _pip(place: Place, _name: str, _file: str) -> Setup:
    """Source: pip's "Configuration"."""
    if place.run:
        return Setup(
            client="pip",
            environment=("PIP_INDEX_URL",),
            notes=(
                "pip needs no configuration: `wharf run --fall-through -- pip install …` tells it where the index is.",
                _public("pip", place),
            ),
        )
    notes = [f"The token goes to ~/.netrc, readable by you alone: machine {place.host} login x password TOKEN"]
    return Setup(
        client="pip", text=f"[global]\nindex-url = {place.simple}\n", notes=(*notes, _public("pip", place), *_open(place))
    )


def _pip_option(name: str) -> str:
    """One spelling of an option's name, as pip sees it."""
    return name.lower().replace("_", "-").removeprefix("--")


def _edit_pip(place: Place, _name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    before = ini_editing.read_ini(text, file, _pip_option)
    notes = [
        f"[{section}] of {file} has an {option} as well: "
        + ("it wins over ours there." if option == "index-url" else "pip takes the newest version of any of them.")
        for section, options in before.items()
        for option in ("index-url", "extra-index-url")
        if option in options and (section, option) != ("global", "index-url")
    ]
    return ini_editing.put_ini(text, "global", {"index-url": place.simple}, file, _pip_option), tuple(notes)


def _uv(place: Place, name: str, file: str) -> Setup:
    """Source: uv's "Package indexes"."""
    prefix = f"UV_INDEX_{name.upper().replace('-', '_')}"
    if place.run:
        notes = [
            "The commands are `wharf run -- uv sync`, `wharf run -- uv add …`.",
            *_same_name("uv", name),
        ]
    else:
        notes = [_variables(prefix)]
    return Setup(
        client="uv",
        text=f'[[{".".join(_uv_keys(file))}]]\nname = "{name}"\nurl = "{place.simple}"\n',
        environment=(f"{prefix}_USERNAME", f"{prefix}_PASSWORD"),
        notes=(
            *notes,
            "uv takes a name from the first index that has it, and asks the public one last: what is yours stays yours.",
            *_open(place),
        ),
    )


def _uv_keys(file: str) -> tuple[str, ...]:
    return ("index",) if file.rpartition("/")[2] == "uv.toml" else ("tool", "uv", "index")


def _edit_uv(place: Place, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    keys = _uv_keys(file)
    changed = toml_editing.put_entry(text, keys, name, {"url": place.simple}, file)
    notes = []
    for each in toml_editing.entries_in(changed, keys, file):
        if str(each.get("name")).lower() == name.lower():
            break
        if not each.get("explicit") and not each.get("default"):
            notes.append(f"{each.get('name')!r} stands before this index in {file}: uv asks it first.")
    return changed, (*notes, *_secrets(toml_editing.entries_in(changed, keys, file), name, file))


def _poetry(place: Place, name: str, _file: str) -> Setup:
    """Source: Poetry's "Repositories"."""
    prefix = f"POETRY_HTTP_BASIC_{name.upper().replace('-', '_')}"
    notes = (
        ["The commands are `wharf run -- poetry lock`, `wharf run -- poetry install`.", *_same_name("poetry", name)]
        if place.run
        else [_variables(prefix)]
    )
    return Setup(
        client="poetry",
        text=f'[[tool.poetry.source]]\nname = "{name}"\nurl = "{place.simple}"\npriority = "primary"\n',
        environment=(f"{prefix}_USERNAME", f"{prefix}_PASSWORD"),
        notes=(
            *notes,
            "A primary source takes the public index's place. A supplemental one is asked only for names that the public index "
            "does not have: whoever registers a name of yours there wins it.",
            _public("poetry", place),
            "For a static site: `poetry source add --priority=supplemental PyPI` adds the public index behind this one. With "
            "an index that wants a token, poetry asks it for your names too as soon as the token is refused.",
            *_open(place),
        ),
    )


def _edit_poetry(place: Place, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    keys = ("tool", "poetry", "source")
    mine = [each for each in toml_editing.entries_in(text, keys, file) if str(each.get("name")).lower() == name.lower()]
    values = {"url": place.simple}
    if not any(each.get("priority") == "explicit" for each in mine):  # explicit is safe too: the project says what is from here
        values["priority"] = "primary"
    changed = toml_editing.put_entry(text, keys, name, values, file)
    entries = toml_editing.entries_in(changed, keys, file)
    notes = [
        f"The source {each.get('name')!r} in {file} is primary as well: poetry takes the newest version of either."
        for each in entries
        if str(each.get("name")).lower() != name.lower() and each.get("priority", "primary") == "primary"
    ]
    return changed, (*notes, *_secrets(entries, name, file))


def _pdm(place: Place, name: str, _file: str) -> Setup:
    """Source: PDM's "Configure the Project" and "Configurations"."""
    if place.run:
        return Setup(
            client="pdm",
            environment=("PDM_PYPI_URL", "PDM_PYPI_USERNAME", "PDM_PYPI_PASSWORD"),
            notes=("PDM needs no configuration: `wharf run -- pdm lock` tells it where the index is.", _public("PDM", place)),
        )
    return Setup(
        client="pdm",
        text=f'[[tool.pdm.source]]\nname = "{name}"\nurl = "{place.simple}"\n',
        environment=("PDM_PYPI_USERNAME", "PDM_PYPI_PASSWORD"),
        notes=(
            _variables("PDM_PYPI"),
            f"The name {name!r} takes the public index's place. Beside it PDM would take the newest version of either, or, in a"
            " fixed order, go on to the public one when this one refuses a token or has no version that fits.",
            _public("PDM", place),
            *_open(place),
        ),
    )


def _edit_pdm(place: Place, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    keys = ("tool", "pdm", "source")
    changed = toml_editing.put_entry(text, keys, name, {"url": place.simple}, file)
    entries = toml_editing.entries_in(changed, keys, file)
    notes = [
        f"The source {each.get('name')!r} stands in {file} as well: PDM takes the newest version of either."
        for each in entries
        if str(each.get("name")).lower() != name
    ]
    return changed, (*notes, *_secrets(entries, name, file))


def _twine(place: Place, name: str, _file: str) -> Setup:
    """Source: the Python Packaging User Guide's "The .pypirc file"."""
    if place.run:
        raise UsageError(
            "`wharf run` takes no uploads.", "`wharf publish dist/*` needs no configuration; for a server name it: --url URL."
        )
    return Setup(
        client="twine",
        text=f"[distutils]\nindex-servers = {_SERVERS} {name}\n\n[{name}]\nrepository = {place.legacy}\nusername = __token__\n",
        environment=("TWINE_PASSWORD",),
        notes=(
            "The token goes to TWINE_PASSWORD, or twine asks for it.",
            f"The command is `twine upload --repository {name} dist/*`. A static site takes no uploads.",
            "Leave --skip-existing out: twine refuses it from 6.2 on for any index but the public one. The same bytes again are"
            " no error here; other bytes under a name that is taken are one.",
            *_open(place),
        ),
    )


def _edit_twine(place: Place, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    changed = ini_editing.add_word(text, "distutils", "index-servers", name, _SERVERS, file)
    changed = ini_editing.put_ini(changed, name, {"repository": place.legacy, "username": "__token__"}, file)
    held = "password" in ini_editing.read_ini(changed, file)[name]
    return changed, (_held(name, file),) if held else ()


def _public(client: str, place: Place) -> str:
    if place.run:
        return f"{client} gets public packages too with `wharf run --fall-through -- …`; else only what is published here."
    return _FALL_THROUGH.format(client=client)


def _variables(prefix: str) -> str:
    return f"The token goes to {prefix}_PASSWORD, with any user name in {prefix}_USERNAME; or to ~/.netrc."


def _same_name(client: str, name: str) -> Iterable[str]:
    if name != DEFAULT_NAME:
        yield f"`wharf run` gives {client} a password for the name {DEFAULT_NAME!r}, not for {name!r}: leave --name out."


def _open(place: Place) -> Iterable[str]:
    if place.in_the_open:
        yield "http:// sends a token in the open: use https:// where one is needed."


def _secrets(entries: Iterable[toml_editing.Table], name: str, file: str) -> Iterable[str]:
    if any("password" in each for each in entries if str(each.get("name")).lower() == name.lower()):
        yield _held(name, file)


def _held(name: str, file: str) -> str:
    return f"{file} holds a password for {name!r}: move it out of the file, and revoke it if others may have read it."


def _leaks(place: Place, before: str, after: str, file: str) -> Iterable[str]:
    """What to do about a user name or token in an address of this host, that was there and that still is."""
    authority = re.escape(urlsplit(place.root).netloc)
    found = re.compile(rf"://[^\s/@\"'<>]+@{authority}(?![A-Za-z0-9.:-])", re.IGNORECASE)
    left = [str(number) for number, line in enumerate(after.splitlines(), 1) if found.search(line)]
    if len(found.findall(after)) < len(found.findall(before)):
        yield f"An address in {file} held a user name or token: it is taken out. Revoke that token; others may have read it."
    if left:
        yield f"{file} still holds a token in an address of this host (line {', '.join(left)}): take it out, and revoke it."


def _steps(path: str) -> set[str]:
    return set(path.split("/")[1:])


def _netloc(parts: SplitResult) -> str:
    return parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
