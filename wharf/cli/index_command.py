"""`wharf index`: `create`, `list`, `show`, `remove`, `restore` and `settings`; `check` has its own file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.index_check_command import check_command
from wharf.cli.output import where_document, where_line
from wharf.cli.state import State, pass_state
from wharf.errors import UsageError
from wharf.operations.result_documents import file_document

if TYPE_CHECKING:
    from wharf.index.index_states import IndexState
    from wharf.model import Json
    from wharf.operations.index_settings import ShownSettings


@click.group(
    "index",
    epilog="\b\nExamples:\n  wharf index create staging --base main\n  wharf index settings staging --explain\n",
)
@common_options
def index_command() -> None:
    """The indexes of the repository: stages such as dev and staging, or teams. Each is a branch.

    NAME is the index that a command is about. With other commands, --index NAME chooses one.
    """


index_command.add_command(check_command)


@index_command.command(
    "create",
    epilog="""\b
Examples:
  wharf index create staging --base main
  wharf index create dev --base staging --json
  wharf index create spring --at 2026-04-01 --from main
""",
)
@click.argument("name")
@click.option(
    "--base", "bases", multiple=True, metavar="INDEX", help="An index whose projects it shows too; the nearest first."
)
@click.option("--at", "at", metavar="WHEN", help="Begin as another index was at a date, a time, or a commit of it.")
@click.option("--from", "source", metavar="INDEX", help="The index that --at is about (default: as configured, else main).")
@common_options
@pass_state
def create_command(state: State, name: str, bases: tuple[str, ...], at: str | None, source: str | None) -> None:
    """Make an index with no projects; with --at, one that begins as another one was.

    That one shares the history up to there. Its rights and the states of its projects are those of today. Files whose bytes are
    gone are named and left out.
    """
    from wharf.operations.manage_indexes import create

    if at is not None:
        if bases:
            raise UsageError("An index that begins at a moment has the bases of its source.", "Leave out --base or --at.")
        _create_from_past(state, name, at, source)
        return
    if source is not None:
        raise UsageError("--from names the index that --at is about.", "Say the moment, as in --at 2026-11-30.")
    _choose(state, name)
    with state.repository() as repository:
        commit = create(repository, bases)
        document: dict[str, Json] = {**where_document(repository, commit), "bases": list(bases)}
        lines = [f"made the index {name!r}{_on(bases)}", where_line(repository, commit)]
    state.result(document, lines)


def _create_from_past(state: State, name: str, at: str, source: str | None) -> None:
    from wharf.index.index_name import DEFAULT_INDEX
    from wharf.index.moment import parse_moment
    from wharf.operations.index_from_past import create_from_past

    moment = parse_moment(at)
    if source is not None:
        _choose(state, name)
        state.options["index"] = source
    found = state.settings().index  # --index, too
    source = DEFAULT_INDEX if source is None and found == name else found
    if source == name:
        raise UsageError(f"The index {name!r} cannot begin as itself.", "Name the other index, as in --from staging.")
    state.options["index"] = name
    with state.repository() as repository:
        made = create_from_past(repository, source, moment)
        document: dict[str, Json] = {
            **where_document(repository, made.commit),
            "bases": list(made.bases),
            "from": source,
            "at": {"moment": moment.text, "commit": made.past},
            "settings_of_today": list(made.of_today),
            "left_out": [{**file_document(named), "reason": why} for named, why in made.left_out],
        }
        lines = [f"made the index {name!r} as {source!r} was at commit {made.past}{_on(made.bases)}"]
        lines += [f"left out {named.file.filename}: {why}" for named, why in made.left_out]
        if made.of_today:
            lines.append(f"as in {source!r} today: {', '.join(made.of_today)}")
        lines.append(where_line(repository, made.commit))
    state.result(document, lines)


@index_command.command("list", epilog="\b\nExamples:\n  wharf index list\n  wharf index list --json\n")
@common_options
@pass_state
def list_command(state: State) -> None:
    """Show all indexes of the repository with their bases, and the removed ones."""
    from wharf.operations.manage_indexes import listing

    with state.repository(fetch="later") as repository:
        found, where = listing(repository), repository.address
        too = " So does the first publish." if repository.github is None else ""
    state.result(
        {
            "repository": where,
            "indexes": [_index_document(each) for each in found.there.values()],
            "removed": [{"name": name, "commit": commit} for name, commit in found.removed.items()],
        },
        [
            *(
                f"{name}{_on(each.settings.bases) if each.settings else f': {each.problem}'}"
                for name, each in found.there.items()
            ),
            *(state.whole(f"{name} (removed; `wharf index restore {name}` brings it back)") for name in found.removed),
        ],
    )
    if not found.there and not state.json:
        state.say(f"There is no index in {where} yet. `wharf index create NAME` makes one.{too}")


@index_command.command("show", epilog="\b\nExamples:\n  wharf index show staging\n  wharf index show staging --json\n")
@click.argument("name")
@common_options
@pass_state
def show_command(state: State, name: str) -> None:
    """Show an index: its commit, its bases in their order, which indexes have it as a base, and how many projects it has."""
    from wharf.operations.index_settings import shown_settings
    from wharf.operations.manage_indexes import above_of

    _choose(state, name)
    with state.repository(reading=True) as repository:
        shown = shown_settings(repository)
        above = above_of(name, repository.branch.states())
        count = len(repository.branch.snapshot().names())
        document: dict[str, Json] = {
            **where_document(repository, shown.commit),
            **_settings_document(shown),
            "base_of": list(above),
            "projects": count,
        }
        lines = [
            where_line(repository, shown.commit),
            f"projects: {count}",
            f"looked at in this order: {_order(shown)}",
            f"base of: {', '.join(above) or 'no index'}",
            *(f"{each.key} = {_toml(each.value)}" for each in shown.settings if each.given),
        ]
    state.result(document, lines)


@index_command.command("remove", epilog="\b\nExamples:\n  wharf index remove staging\n  wharf index remove staging --yes\n")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_state
def remove_command(state: State, name: str, yes: bool) -> None:
    """Take an index away. Its last commit and its files stay stored, so that it can be restored.

    Its names stay taken: nobody looks for them elsewhere. An index that is a base of another one is not removed.
    """
    from wharf.operations.manage_indexes import remove

    _choose(state, name)
    state.confirm(f"Remove the index {name} with all its projects?", yes=yes)
    with state.repository() as repository:
        commit = remove(repository)
        document = where_document(repository, commit)
        where = repository.address
    state.result(
        document,
        [
            f"removed the index {name!r} of {where}; its last commit {commit} is kept",
            state.whole(f"`wharf index restore {name}` brings it back"),
        ],
    )


@index_command.command("restore", epilog="\b\nExamples:\n  wharf index restore staging\n")
@click.argument("name")
@common_options
@pass_state
def restore_command(state: State, name: str) -> None:
    """Bring a removed index back as it was. To bring releases back in an index that is there: `wharf restore --to WHEN`."""
    from wharf.operations.manage_indexes import restore

    _choose(state, name)
    with state.repository() as repository:
        commit = restore(repository)
        document, lines = where_document(repository, commit), [f"restored the index {name!r}", where_line(repository, commit)]
    state.result(document, lines)


@index_command.command(
    "settings",
    epilog="""\b
Examples:
  wharf index settings staging --explain
  wharf index settings staging --set bases=main --set 'reserved=["acme-*"]'
  wharf index settings main --set 'upload.acme-*=["@acme/platform", "alice"]'
  wharf index settings main --set shadow=
  wharf index settings main --set upstream.mode=proxy
""",
)
@click.argument("name")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Give a key a value; no value takes the key out.")
@click.option("--explain", is_flag=True, help="Say what each key is for, and where names are looked for.")
@common_options
@pass_state
def settings_command(state: State, name: str, changes: tuple[str, ...], explain: bool) -> None:
    """Show the settings of an index (its wharf.toml), or change them by one commit.

    VALUE is TOML. What is not TOML is a string, and one string will do where a list is wanted.
    """
    from wharf.index.wharf_toml_change import parse_setting
    from wharf.operations.index_settings import set_settings, shown_settings

    settings = tuple(map(parse_setting, changes))
    _choose(state, name)
    listed = [each.url for each in state.settings().upstreams]
    with state.repository(reading=True) as repository:
        commit = set_settings(repository, settings, listed=listed).commit if settings else None
        shown = shown_settings(repository, listed=listed)
        document = {**where_document(repository, shown.commit), "changed": commit is not None, **_settings_document(shown)}
        lines = (
            _explained(shown)
            if explain
            else [f"{each.key} = {_toml(each.value)}{_origin(each.given)}" for each in shown.settings]
        )
        lines.append(where_line(repository, shown.commit if commit or not settings else None))
    state.result(document, lines)


def _choose(state: State, name: str) -> None:
    """Have the command work on that index."""
    if state.options.get("index", name) != name:
        raise UsageError("NAME and --index name two indexes: name one.", "`wharf index --help` shows how it is used.")
    state.options["index"] = name


def _on(bases: tuple[str, ...]) -> str:
    return f", with the base{'s' * (len(bases) > 1)} {', '.join(bases)}" if bases else ""


def _index_document(found: IndexState) -> dict[str, Json]:
    bases: Json = list(found.settings.bases) if found.settings else None
    return {"name": found.index, "commit": found.commit, "bases": bases, "problem": found.problem or None}


def _settings_document(shown: ShownSettings) -> dict[str, Json]:
    return {
        "settings": {each.key: each.value for each in shown.settings},
        "given": [each.key for each in shown.settings if each.given],
        "order": list(shown.order),
        "problem": shown.problem or None,
    }


def _order(shown: ShownSettings) -> str:
    return f"it cannot be said: {shown.problem}" if shown.problem else ", ".join(shown.order)


def _origin(given: bool) -> str:
    return "" if given else "  (not in wharf.toml)"


def _explained(shown: ShownSettings) -> list[str]:
    rows = [f"{each.key} = {_toml(each.value)}{_origin(each.given)}: {each.meaning}" for each in shown.settings]
    return [*rows, f"indexes in the order in which they are looked at: {_order(shown)}", *shown.words]


def _toml(value: Json) -> str:
    """A value as TOML has it in one line. JSON is the same but for tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
