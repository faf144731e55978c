"""`wharf init --workflow`, and what the project's own workflows say: both judged by the schema and by the auditor."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import wharf
from tests.actions import emulated
from tests.cli.test_main import document
from tests.matrix import first
from tests.operations.test_init import Run, branches, made, run, wrong
from tests.simulator import Hub
from wharf.index import wharf_toml
from wharf.operations import actions_workflow
from wharf.operations.actions_workflow import render
from wharf.repository_address import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

ROOT = Path(wharf.__file__).parents[1]
BIN = Path(sysconfig.get_path("scripts"))
OURS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
FLAVOURS = {
    f"{'own' if own else 'central'}-{'site' if site else 'plain'}-{index}": render(
        parse("acme/packages") or pytest.fail("no address"), index=index, own=own, site=site
    )
    for own in (True, False)
    for site in (True, False)
    for index in ("main", "staging")
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's working tree without a remote; the test runs in a folder of it."""
    folder = tmp_path / "demo"
    (folder / "src").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    monkeypatch.chdir(folder / "src")
    return folder


def origin(tree: Path, url: str) -> None:
    subprocess.run(["git", "-C", str(tree), "remote", "add", "origin", url], check=True)


def settings_of(hub: Hub, slug: str, index: str = "main") -> wharf_toml.IndexSettings:
    out = subprocess.run(
        ["git", f"--git-dir={made(hub, slug).git_dir}", "show", f"wharf/{index}:wharf.toml"], capture_output=True, check=True
    )
    return wharf_toml.parse(out.stdout)


@pytest.mark.slow
def test_a_public_repository_gets_publish_and_site(hub: Hub, run: Run, tree: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/demo"
    said = document(run("init", "--workflow", "--public", address, "--json", token=token)[0])
    path = tree / actions_workflow.FILE
    assert said["workflow"] == {"file": str(path), "site": True}
    assert said["made"] == ["repository", "index", "workflow", "metadata-assets"]
    assert settings_of(hub, "acme/demo").metadata_assets
    spec = yaml.safe_load(path.read_text())
    assert list(spec["jobs"]) == ["publish", "site"]
    assert spec["jobs"]["publish"]["with"] == {"dispatch": spec[True]["repository_dispatch"]["types"][0]}
    assert said["next"][:4] == [
        f"git remote add origin {address}.git",
        "git add ../.github/workflows/wharf.yml && git commit -m 'Publish with wharf' && git push",
        f"{address}/settings/pages: choose GitHub Actions as the source",
        "git tag v1.0 && git push origin v1.0",
    ]


def test_a_private_one_gets_publish_only_and_the_reason(hub: Hub, run: Run, tree: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/demo"
    out, _ = run("init", "--workflow", address, token=token)
    assert "no site, as one on GitHub Pages is public" in out
    assert "wharf run" in out
    spec = yaml.safe_load((tree / actions_workflow.FILE).read_text())
    assert list(spec["jobs"]) == ["publish"]
    assert "with" not in spec["jobs"]["publish"]
    assert not settings_of(hub, "acme/demo").metadata_assets


@pytest.mark.slow
def test_again_changes_nothing(hub: Hub, run: Run, tree: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/demo"
    run("init", "--workflow", "--public", address, token=token)
    before = (tree / actions_workflow.FILE).stat().st_mtime_ns, made(hub, "acme/demo").pushed_at
    hub.calls.clear()
    assert document(run("init", "--workflow", address, "--json", token=token)[0])["made"] == []
    assert ((tree / actions_workflow.FILE).stat().st_mtime_ns, made(hub, "acme/demo").pushed_at) == before
    assert all(call.method == "GET" or "upload-pack" in call.path for call in hub.calls)


@pytest.mark.slow
def test_another_file_of_that_name_stays(hub: Hub, run: Run, tree: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/demo"
    path = tree / actions_workflow.FILE
    path.parent.mkdir(parents=True)
    path.write_text("name: mine\n")
    error = wrong(run("init", "--workflow", address, "--json", token=token, code=5))
    assert str(path) in error["message"]
    assert f"rm {path}" in error["hint"]
    assert path.read_text() == "name: mine\n"
    path.unlink()
    path.symlink_to("nowhere.yml")
    assert wrong(run("init", "--workflow", address, "--json", token=token, code=5))["code"] == "conflict"


@pytest.mark.slow
def test_a_site_can_be_refused_and_asked_for(hub: Hub, run: Run, tree: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/demo"
    error = wrong(run("init", "--workflow", "--site", address, "--json", token=token, code=2))
    assert "would be private" in error["message"]
    assert hub.find("acme/demo") is None
    run("init", address, token=token)
    error = wrong(run("init", "--workflow", "--site", address, "--json", token=token, code=2))
    assert "is private" in error["message"]
    assert "wharf run" in error["hint"]
    assert not (tree / actions_workflow.FILE).exists()
    hub.create("acme/open", private=False)
    token = hub.token("acme", {"acme/open": "admin"})
    said = document(run("init", "--workflow", "--no-site", f"{hub.url}/acme/open", "--json", token=token)[0])
    assert said["workflow"]["site"] is False
    assert "metadata-assets" not in said["made"]
    assert "--workflow" in wrong(run("init", "--site", address, "--json", token=token, code=2))["message"]


@pytest.mark.slow
def test_from_another_repository_it_is_a_token_that_publishes(hub: Hub, run: Run, tree: Path) -> None:
    hub.create("acme/packages", private=False)
    token, address = hub.token("acme", {"acme/packages": "admin"}), f"{hub.url}/acme/packages"
    origin(tree, f"{hub.url}/acme/demo.git")
    error = wrong(run("init", "--workflow", "--site", address, "--json", token=token, code=2))
    assert "belongs to another repository" in error["message"]
    assert branches(made(hub, "acme/packages")) == ["main"]
    said = document(run("init", "--workflow", address, "--json", token=token)[0])
    assert said["made"] == ["index", "workflow"]
    job = yaml.safe_load((tree / actions_workflow.FILE).read_text())["jobs"]["publish"]
    assert job["uses"].partition("@")[0].endswith("publish-elsewhere.yml")
    assert job["permissions"] == {"contents": "read"}
    assert job["with"] == {"repository": address, "dispatch": actions_workflow.EVENT}
    assert job["secrets"] == {"token": "${{ secrets.WHARF_TOKEN }}"}
    assert "`Contents: read and write`" in said["next"][0]
    assert said["next"][1] == "gh secret set WHARF_TOKEN --repo acme/demo"


def test_it_is_the_trees_own_repository_however_origin_spells_it(hub: Hub, run: Run, tree: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/demo"
    origin(tree, "git@127.0.0.1:Acme/Demo.git")
    said = document(run("init", "--workflow", "--index", "staging", address, "--json", token=token)[0])
    assert "publish.yml@" in (tree / actions_workflow.FILE).read_text()
    assert said["next"][0].startswith("git add")
    assert yaml.safe_load((tree / actions_workflow.FILE).read_text())["jobs"]["publish"]["with"] == {"index": "staging"}


def test_it_needs_github_and_a_working_tree(
    hub: Hub, run: Run, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin(tree, "git@github.com:acme/demo.git")
    error = wrong(run("init", "--workflow", "--json", code=2))
    assert error["hint"] == "Name a repository: wharf init --workflow acme/demo"
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    error = wrong(run("init", "--workflow", f"{hub.url}/acme/demo", "--json", token=hub.token("acme", {}), code=2))
    assert "git init" in error["hint"]
    assert hub.find("acme/demo") is None


def test_a_server_of_ones_own_is_told_what_it_needs(hub: Hub, run: Run, tree: Path) -> None:
    assert "does not run on" in run("init", "--workflow", f"{hub.url}/acme/demo", token=hub.token("acme", {}))[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", first(1, FLAVOURS))
def test_what_is_written_is_short_and_fits_schema_and_auditor(name: str, tmp_path: Path) -> None:
    path = tmp_path / actions_workflow.FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(FLAVOURS[name])
    # A tag of ours, which the person reads in our list of changes, stands where the auditor wants a commit.
    config = tmp_path / "zizmor.yml"
    policies = {f"{actions_workflow.OWN.partition('/')[0]}/*": "ref-pin", "*": "hash-pin"}
    config.write_text(yaml.safe_dump({"rules": {"unpinned-uses": {"config": {"policies": policies}}}}))
    audit(tmp_path / ".github", "--config", str(config))
    schema("vendor.github-workflows", path)


def audit(*words: object) -> None:
    command = [BIN / "zizmor", "--offline", "--no-progress", "--persona", "pedantic", *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr


def schema(name: str, *paths: Path) -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", name, *paths]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_our_own_fit_schema_and_auditor() -> None:
    assert OURS
    assert ACTIONS
    audit(ROOT / ".github")
    schema("vendor.github-workflows", *OURS)
    schema("vendor.github-actions", *ACTIONS)


def test_what_is_called_by_name_is_there_and_every_pin_is_a_known_release() -> None:
    written = b"".join(FLAVOURS.values()).decode()
    for path in set(re.findall(rf"{actions_workflow.OWN}/(\S+)@{re.escape(actions_workflow.REF)}", written)):
        assert (ROOT / path).is_file()
    assert set(re.findall(rf"{actions_workflow.OWN}/\S+@(\S+)", written)) == {f"v{wharf.__version__}"}
    told = (ROOT / "docs" / "actions.md").read_text(encoding="utf-8")
    assert set(re.findall(rf"{actions_workflow.OWN}/\S+@(\S+)", told)) == {actions_workflow.REF}
    for path in (*OURS, *ACTIONS, ROOT / "docs" / "actions.md"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"[\w-]+/wharf(?=/\.github/)", text)) <= {actions_workflow.OWN}, path
        for slug, sha, release in re.findall(r"uses: (actions/[\w-]+)@(\S+)(?: # (\S+))?", text):
            if slug in emulated.KNOWN:
                assert (sha, release) == (emulated.KNOWN[slug].sha, emulated.KNOWN[slug].release), path


def test_the_project_publishes_itself_as_it_tells_others_to() -> None:
    """Its own workflow is the one that `wharf init --workflow` writes, with the checks before it."""
    mine = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    written = yaml.safe_load(FLAVOURS["own-site-main"])
    assert mine[True] == written[True]
    assert mine["permissions"] == written["permissions"] == {}
    for name, job in written["jobs"].items():
        local = job["uses"].replace(f"{actions_workflow.OWN}/", "$/").replace(f"@{actions_workflow.REF}", "")
        assert {**mine["jobs"][name], "needs": None} == {**job, "uses": local, "needs": None}
    assert mine["jobs"]["publish"]["needs"] == "checks"
