"""The prune of a schedule, run: what the rules do not keep leaves the index, and the page of the run says what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wharf
from tests.actions.test_actions import TAG, WHARF, no_token_left, place, tree
from tests.makers import make_wheel
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations import actions_workflow
from wharf.operations.index_settings import set_settings
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse

if TYPE_CHECKING:
    from tests.actions.test_actions import Place

__all__ = ["place", "tree"]  # fixtures

DOCUMENT = Path(wharf.__file__).parents[1] / "docs" / "actions.md"


def recipe(more: str = "") -> str:
    """The workflow in docs/actions.md, with the wharf under test."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("## Pruning an index every night")[2]
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    uses = f"{actions_workflow.OWN}/.github/actions/prune@"
    assert f"{uses}{TAG}" in found[1]
    return f"{found[1]}        with:\n          wharf: {WHARF}\n{more}"


def fill(place: Place, slug: str) -> None:
    """Three dev releases, of which the rules keep one."""
    address = parse(f"{place.hub.url}/{slug}")
    assert address is not None
    settings = Settings(place=address, cache=place.root / "cache", data=place.root / "data")
    with open_repository(settings, {"WHARF_TOKEN": place.hub.token("acme", {slug: "admin"})}) as repository:
        wheels = [make_wheel(place.root, version=f"1.0.dev{number}") for number in range(3)]
        publish(repository, [Input.of(path) for path in wheels], actor="acme")
        set_settings(repository, (parse_setting('retention={names = ["*"], dev = {keep-newest = 1}}'),))


@pytest.mark.slow
def test_the_recipe_prunes_at_its_time_with_the_token_of_the_job(place: Place) -> None:
    repo = place.project("acme/pkgs", {".github/workflows/prune.yml": recipe()})
    fill(place, repo.slug)
    (run,) = place.actions.event(repo.slug, "schedule")
    assert run.result == "success", run.text
    assert run["prune"].permissions == {"contents": "write"}
    assert "- `demo 1.0.dev0`: not among the newest 1 dev releases" in run["prune"].summary
    assert "2 releases leave the index; 0 bytes are freed now" in run["prune"].summary
    assert place.index(repo.slug) == ["demo-1.0.dev2-py3-none-any.whl"]
    (again,) = place.actions.event(repo.slug, "schedule")
    assert "0 releases leave the index" in again["prune"].summary
    no_token_left(place)


@pytest.mark.slow
def test_a_dry_run_only_tells(place: Place) -> None:
    repo = place.project("acme/pkgs", {".github/workflows/prune.yml": recipe("          dry-run: true\n")})
    fill(place, repo.slug)
    (run,) = place.actions.event(repo.slug, "schedule")
    assert run.result == "success", run.text
    assert "2 releases leave the index" in run["prune"].summary
    assert len(place.index(repo.slug)) == 3
