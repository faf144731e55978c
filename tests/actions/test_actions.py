"""The actions and workflows, run: from a tag push to an install from the site, and what becomes of runs that go wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wharf
from tests.actions import Actions, emulated
from tests.free_port import free_port
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.server.running import soon
from tests.simulator import Hub, rest_releases
from wharf.operations import actions_workflow
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.actions import Run
    from tests.simulator import Repo

ROOT = Path(wharf.__file__).parents[1]
BIN = Path(sysconfig.get_path("scripts"))
WHARF = BIN / "wharf"
TAG = f"v{wharf.__version__}"
CHECKOUT = f"actions/checkout@{emulated.KNOWN['actions/checkout'].sha}"


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class Place:
    """A simulator with Actions, and wharf's own repository in it."""

    hub: Hub
    actions: Actions
    root: Path

    def project(self, slug: str, files: dict[str, str | Path], *, private: bool = False, tag: str = "v1.0") -> Repo:
        """A repository with these files on `main`, and a tag."""
        repo = self.hub.find(slug) or self.indexed(slug, private=private)
        self.commit(repo, files, tag)
        return repo

    def indexed(self, slug: str, *, private: bool = False) -> Repo:
        """A repository with an index, as `wharf init` makes it: a publish makes none."""
        repo = self.hub.create(slug, private=private)
        self.begin(slug)
        return repo

    def begin(self, slug: str) -> None:
        """Make the index in a repository that is there."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        address = parse(f"{self.hub.url}/{slug}")
        assert address is not None
        settings = Settings(place=address, cache=folder, data=folder)
        with open_repository(settings, {"WHARF_TOKEN": self.hub.token("acme", {slug: "write"})}) as repository:
            repository.branch.begin("acme")

    def commit(self, repo: Repo, files: dict[str, str | Path], tag: str) -> None:
        tree = self.root / f"tree-{time.monotonic_ns()}"
        git(self.root, "clone", "--quiet", str(repo.git_dir), str(tree))
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, tree / name)
            else:
                (tree / name).write_text(content, encoding="utf-8")
        git(tree, "add", "--all", "--force")
        git(tree, "commit", "--quiet", "--allow-empty", "-m", "A change")
        git(tree, "tag", tag)
        git(tree, "push", "--quiet", "origin", "HEAD:main", tag)

    def tagged(self, slug: str, tag: str = "v1.0") -> Run:
        """The one run that the push of a tag starts."""
        (run,) = self.actions.event(slug, "push", f"refs/tags/{tag}")
        return run

    def index(self, slug: str, index: str = "main") -> list[str]:
        """The file names in an index, as `wharf` reads them."""
        token = self.hub.token("reader", {slug: "read"})
        environment = os.environ | {"WHARF_TOKEN": token, "WHARF_REPO": f"{self.hub.url}/{slug}", "WHARF_INDEX": index}

        def said(*words: str) -> Any:
            done = subprocess.run([WHARF, *words, "--json"], env=environment, capture_output=True, text=True, check=False)
            return json.loads(done.stdout)

        names: list[str] = []
        for project in said("list")["projects"]:
            names += [each["filename"] for each in said("show", project["name"])["files"]]
        wrong = subprocess.run([WHARF, "verify"], env=environment, capture_output=True, text=True, check=False)
        assert wrong.returncode == 0, wrong.stdout + wrong.stderr
        return sorted(names)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the working tree as its one commit."""
    folder = tmp_path_factory.mktemp("own")
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "All of it")
    git(folder, "tag", TAG)
    return folder


@pytest.fixture
def place(tmp_path: Path, tree: Path) -> Iterator[Place]:
    passed = {name: each for name, each in os.environ.items() if name.startswith("PIP_") or name.endswith("_PROXY")}
    image = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **passed, "PIP_CACHE_DIR": str(ROOT / ".cache" / "pip")}
    with Hub(tmp_path / "hub") as hub:
        own = hub.create(actions_workflow.OWN, private=False, auto_init=False)
        git(tree, "push", "--quiet", str(own.git_dir), "main", TAG)
        yield Place(hub, Actions(hub, tmp_path / "runs", image), tmp_path)


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """The folder as Pages serves it: files, and `index.html` of folders, without a word on what the client accepts."""
    port = free_port()
    prefix = folder.parent / "nginx"
    prefix.mkdir()
    temp = "\n".join(f"    {name}_temp_path {prefix}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    who = "user root;\n" if os.geteuid() == 0 else ""  # the test's folders are nobody else's to read
    (prefix / "nginx.conf").write_text(
        f"{who}pid {prefix}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{temp}\n    access_log off;\n"
        f"    types {{ text/html html; application/json json; }}\n"
        f"    server {{ listen 127.0.0.1:{port}; root {folder}; index index.html; }}\n}}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is missing: apt install nginx-light, or brew install nginx"
    command = [program, "-p", str(prefix), "-c", str(prefix / "nginx.conf"), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def answers() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        soon(answers, seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.communicate(timeout=60)


def install(target: Path, index: str, *words: str) -> None:
    """pip, the newest one that the environment has, from that index alone."""
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--no-cache-dir", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--index-url", index, "--target", str(target), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def caller(*, permissions: str = "contents: write", more: str = "", **given: str) -> str:
    """A workflow that publishes what lies in `dist-<attempt>`, with the composite action and the wharf under test."""
    inputs = "".join(f"          {name.replace('_', '-')}: {each}\n" for name, each in {"wharf": str(WHARF), **given}.items())
    return f"""\
name: publish
on: {{push: {{tags: ["v*"]}}}}
permissions: {{}}
jobs:
  publish:
    runs-on: ubuntu-24.04
    permissions: {{ {permissions} }}
    outputs:
      commit: ${{{{ steps.it.outputs.commit }}}}
      files: ${{{{ steps.it.outputs.files }}}}
      addresses: ${{{{ steps.it.outputs.addresses }}}}
    steps:
      - uses: {CHECKOUT}
        with: {{persist-credentials: false}}
      - name: Build
        run: cp -r "dist-$GITHUB_RUN_ATTEMPT" dist
      - name: Publish
        id: it
        uses: {actions_workflow.OWN}/.github/actions/publish@{TAG}
        with:
{inputs}{more}"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str | Path]:
    """A wheel and an sdist as the first attempt builds them, and the same names with other bytes as the second does."""
    found: dict[str, str | Path] = {}
    for attempt in ("1", "2"):
        for path in (
            make_wheel(tmp_path / attempt, content=f"built by attempt {attempt}"),
            make_sdist(tmp_path / attempt, content=f"built by attempt {attempt}"),
        ):
            found[f"dist-{attempt}/{path.name}"] = path
    return found


NAMES = ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]
FLOW = ".github/workflows/wharf.yml"


def no_token_left(place: Place) -> None:
    """No job's token is in any file that a machine kept, nor in what the jobs said."""
    for machine in place.actions.machines:
        secrets = {machine.job.token, *machine.run.secrets.values()} - {""}
        said = "\n".join([*machine.job.log, machine.job.summary, *machine.job.outputs.values()])
        for secret in secrets:
            assert secret not in said
            found = [path for path in machine.home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
            assert found == []


@pytest.mark.slow
def test_a_tag_is_published_and_the_outputs_say_what(place: Place, files: dict[str, str | Path]) -> None:
    place.project("acme/demo", {**files, FLOW: caller(dispatch="wharf-published")})
    run = place.tagged("acme/demo")
    assert run.result == "success", run.text
    job = run["publish"]
    assert sorted(json.loads(job.outputs["files"])) == NAMES
    assert len(job.outputs["commit"]) == 40
    assert place.index("acme/demo") == NAMES
    for address in json.loads(job.outputs["addresses"]):
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
    assert "`demo-1.0.tar.gz`" in job.summary
    assert job.annotations == []
    repo = place.hub.find("acme/demo")
    assert repo is not None
    ((kind, payload),) = repo.dispatches
    assert (kind, payload) == ("wharf-published", {"index": "main", "commit": job.outputs["commit"]})
    no_token_left(place)


@pytest.mark.slow
def test_a_run_that_runs_again_leaves_what_is_there_and_tells_the_site_again(
    place: Place, files: dict[str, str | Path]
) -> None:
    repo = place.project("acme/demo", {**files, FLOW: caller(dispatch="wharf-published")})
    first = place.tagged("acme/demo")
    again = first.again()
    assert again.result == "success", again.text
    job = again["publish"]
    assert {(each.kind, each.title) for each in job.annotations} == {("warning", "Not published")}
    assert job.outputs == {"commit": first["publish"].outputs["commit"], "files": "[]", "addresses": "[]"}
    assert place.index("acme/demo") == NAMES
    assert len(repo.releases) == 1
    assert [kind for kind, _ in repo.dispatches] == ["wharf-published"] * 2


@pytest.mark.slow
def test_other_bytes_fail_the_job_where_skipping_is_off(place: Place, files: dict[str, str | Path]) -> None:
    place.project("acme/demo", {**files, FLOW: caller(skip_existing="false")})
    assert place.tagged("acme/demo").result == "success"
    again = place.tagged("acme/demo").again()
    assert again.result == "failure"
    (error,) = again["publish"].annotations
    assert (error.kind, error.title) == ("error", "wharf publish: conflict")
    assert "demo-1.0" in error.message


@pytest.mark.slow
def test_two_jobs_at_once_for_one_version_make_one_release(place: Place, files: dict[str, str | Path]) -> None:
    repo = place.project("acme/demo", {**files, FLOW: caller()})
    together = threading.Barrier(2, timeout=60)

    def first() -> None:
        place.hub.before("GET .*/releases", together.wait)
        together.wait()

    place.hub.before("GET .*/releases", first)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: place.tagged("acme/demo"), range(2)))
    assert [run.result for run in runs] == ["success"] * 2, runs[0].text + runs[1].text
    assert place.index("acme/demo") == NAMES
    assert [release.draft for release in repo.releases] == [False] * len(repo.releases)
    held = sorted(asset.name for release in repo.releases for asset in release.assets)
    assert held == NAMES


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [
        "POST .*/releases$",
        "POST .*/assets",
        "PATCH .*/releases/",
        "POST .*git-receive-pack",
        "POST .*/dispatches",
    ],
)
def test_a_job_killed_in_a_step_is_made_good_by_the_next(place: Place, files: dict[str, str | Path], where: str) -> None:
    same = {name: path for name, path in files.items() if name.startswith("dist-1")}
    same |= {name.replace("dist-1", "dist-2"): path for name, path in same.items()}  # a build that can be reproduced
    repo = place.project("acme/demo", {**same, FLOW: caller(dispatch="wharf-published")})
    place.hub.before(where, lambda: place.actions.machines[-1].lose())
    first = place.tagged("acme/demo")
    assert first.result == "failure"
    again = first.again()
    assert again.result == "success", again.text
    assert place.index("acme/demo") == NAMES
    assert [release.draft for release in repo.releases] == [False]
    assert sorted(asset.name for asset in repo.releases[0].assets) == NAMES
    assert repo.dispatches


@pytest.mark.slow
def test_a_job_lost_between_steps_has_published_all_or_nothing(place: Place, files: dict[str, str | Path]) -> None:
    place.project("acme/demo", {**files, FLOW: caller(more="      - run: echo never\n")})
    place.actions.lose_after = "Build"
    first = place.tagged("acme/demo")
    assert first.result == "failure"
    repo = place.hub.find("acme/demo")
    assert repo is not None
    assert repo.releases == []
    place.actions.lose_after = "Publish"
    second = first.again()
    assert second.result == "failure"
    place.actions.lose_after = None
    assert place.index("acme/demo") == NAMES
    assert place.tagged("acme/demo").result == "success"
    assert place.index("acme/demo") == NAMES


@pytest.mark.slow
def test_permissions_that_are_too_small_are_told(place: Place, files: dict[str, str | Path]) -> None:
    repo = place.project("acme/demo", {**files, FLOW: caller(permissions="contents: read")})
    run = place.tagged("acme/demo")
    assert run.result == "failure"
    (error,) = run["publish"].annotations
    assert error.title == "wharf publish: not-allowed"
    assert "contents: write" in error.message
    assert repo.releases == []


@pytest.mark.slow
def test_a_called_workflow_gets_no_more_than_its_caller_has(place: Place) -> None:
    flow = f"""\
on: push
permissions: {{}}
jobs:
  publish:
    permissions: {{contents: read}}
    uses: {actions_workflow.OWN}/.github/workflows/publish.yml@{TAG}
"""
    place.project("acme/demo", {FLOW: flow})
    run = place.tagged("acme/demo")
    assert run.error == "The nested job 'publish' is requesting 'contents: write', but is only allowed 'contents: read'."
    assert run.jobs == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "title", "words"),
    first(
        1,
        [
            ({"files": "nothing/*"}, "Nothing to publish", "No file matches nothing/*"),
            ({"files": '""'}, "Nothing to publish", "`files` is empty"),
            ({"skip_existing": "yes"}, "Wrong input", "Write true or false"),
            ({"token": '""'}, "No token", "Is the secret set"),
            ({"files": "README.md"}, "wharf publish: invalid-distribution", "README.md"),
            ({"repository": "acme/elsewhere"}, "wharf publish: not-", "acme/elsewhere"),
        ],
    ),
)
def test_what_is_wrong_is_an_annotation(
    place: Place, files: dict[str, str | Path], given: dict[str, str], title: str, words: str
) -> None:
    place.project("acme/demo", {**files, FLOW: caller(**given)})
    run = place.tagged("acme/demo")
    assert run.result == "failure"
    error = run["publish"].annotations[0]
    assert error.title.startswith(title)
    assert words in error.message


@pytest.mark.slow
def test_several_globs_name_each_file_once(place: Place, files: dict[str, str | Path]) -> None:
    place.project("acme/demo", {**files, FLOW: caller(files="|\n            dist/*.whl\n            dist/**\n")})
    run = place.tagged("acme/demo")
    assert run.result == "success", run.text
    assert sorted(json.loads(run["publish"].outputs["files"])) == NAMES


@pytest.mark.slow
def test_an_input_is_no_part_of_a_shell_script(place: Place, files: dict[str, str | Path]) -> None:
    hostile = 'dist/*$(touch pwned)`touch pwned`"; touch pwned; "'
    place.project("acme/demo", {**files, FLOW: caller(files=f"'{hostile}'", index=f"'{hostile}'")})
    run = place.tagged("acme/demo")
    assert run.result == "failure"
    assert hostile in run["publish"].annotations[0].message
    assert not list(place.actions.root.rglob("pwned"))


@pytest.mark.slow
def test_what_wharf_says_is_no_command_to_the_runner(place: Place, files: dict[str, str | Path], tmp_path: Path) -> None:
    said: dict[str, Any] = {"commit": None, "published": [], "unchanged": [], "skipped": [], "warnings": []}
    loud = tmp_path / "loud"
    loud.write_text(f"#!/bin/sh\necho '::error::of a hostile package' >&2\necho '{json.dumps(said)}'\n")
    loud.chmod(0o755)
    place.project("acme/demo", {**files, FLOW: caller(wharf=str(loud))})
    run = place.tagged("acme/demo")
    assert run.result == "success", run.text
    assert "::error::of a hostile package" in run["publish"].log
    assert run["publish"].annotations == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fine-grained", "installation"])
def test_publishing_to_a_central_repository_with_a_token_of_its_own(
    place: Place, files: dict[str, str | Path], kind: str
) -> None:
    central = place.indexed("acme/packages", private=True)
    flow = caller(
        permissions="contents: read", repository="acme/packages", token="${{ secrets.WHARF_TOKEN }}", dispatch="wharf-published"
    )
    source = place.project("acme/demo", {**files, FLOW: flow}, private=True)
    place.actions.secrets["acme/demo"] = {"WHARF_TOKEN": place.hub.token("acme", {"acme/packages": "write"}, kind=kind)}
    run = place.tagged("acme/demo")
    assert run.result == "success", run.text
    assert place.index("acme/packages") == NAMES
    assert source.releases == []
    assert [kind for kind, _ in central.dispatches] == ["wharf-published"]
    no_token_left(place)


@pytest.mark.slow
def test_the_jobs_own_token_reaches_no_other_repository(place: Place, files: dict[str, str | Path]) -> None:
    place.indexed("acme/packages")
    place.project("acme/demo", {**files, FLOW: caller(repository="acme/packages")})
    run = place.tagged("acme/demo")
    assert run.result == "failure"
    assert "not-allowed" in run["publish"].annotations[0].title


SITE = f"""\
on: {{repository_dispatch: {{types: [wharf-published]}}}}
permissions: {{}}
jobs:
  site:
    runs-on: ubuntu-24.04
    permissions: {{contents: read}}
    outputs: {{commit: "${{{{ steps.site.outputs.commit }}}}"}}
    steps:
      - id: site
        uses: {actions_workflow.OWN}/.github/actions/pages@{TAG}
        with:
          wharf: {WHARF}
          path: site
"""


@pytest.mark.slow
def test_what_cannot_be_linked_is_a_warning_and_the_rest_is_built(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mangled = rest_releases.mangled
    monkeypatch.setattr(rest_releases, "mangled", lambda name: mangled(name).replace("!", "."))
    odd = make_wheel(tmp_path / "odd", "epochal", "1!2.0")
    fine = make_wheel(tmp_path / "odd", "demo", "1.0")
    place.project(
        "acme/demo",
        {
            f"dist-1/{odd.name}": odd,
            f"dist-1/{fine.name}": fine,
            FLOW: caller(dispatch="wharf-published"),
            ".github/workflows/site.yml": SITE,
        },
    )
    assert place.tagged("acme/demo").result == "success"
    (run,) = place.actions.dispatched()
    assert run.result == "success", run.text
    job = run["site"]
    assert [(each.kind, each.title) for each in job.annotations] == [("warning", "Not in the site")]
    assert odd.name in job.annotations[0].message
    assert odd.name in job.summary
    assert len(job.outputs["commit"]) == 40
    assert (job.home / "workspace" / "site" / "simple" / "demo" / "index.html").is_file()


@pytest.mark.slow
def test_no_site_of_a_private_repository(place: Place, files: dict[str, str | Path]) -> None:
    place.project(
        "acme/demo",
        {**files, FLOW: caller(dispatch="wharf-published"), ".github/workflows/site.yml": SITE},
        private=True,
    )
    assert place.tagged("acme/demo").result == "success"
    (run,) = place.actions.dispatched()
    assert run.result == "failure"
    assert "private" in run["site"].annotations[0].message


PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-demo"
version = "1.0"
requires-python = ">=3.8"

[tool.hatch.build.targets.wheel]
packages = ["acme_demo"]
"""


def wharf_in(tree: Path, place: Place, *words: str) -> Any:
    """`wharf … --json` as a person in that folder, who may administer what is acme's."""
    token = place.hub.token("acme", {slug: "admin" for slug in place.hub.repos if slug.startswith("acme/")})
    done = subprocess.run(
        [WHARF, *words, "--json"],
        cwd=tree,
        env=os.environ | {"WHARF_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def started(place: Place, slug: str, *words: str) -> Path:
    """A project with source, made ready by `wharf init --workflow` and pushed with a tag."""
    tree = place.root / slug.replace("/", "-")
    (tree / "acme_demo").mkdir(parents=True)
    (tree / "pyproject.toml").write_text(PROJECT)
    (tree / "acme_demo" / "__init__.py").write_text("WHERE = 'from the index'\n")
    git(tree, "init", "--quiet", "--initial-branch=main")
    git(tree, "remote", "add", "origin", f"{place.hub.url}/{slug}.git")
    wharf_in(tree, place, "init", "--workflow", *words)
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "-m", "All of it")
    git(tree, "tag", "v1.0")
    repo = place.hub.find(slug)
    assert repo is not None
    git(tree, "push", "--quiet", "--force", str(repo.git_dir), "main", "v1.0")
    return tree


@pytest.mark.real
@pytest.mark.slow
def test_from_a_tag_push_to_an_install_from_the_site(place: Place, tmp_path: Path) -> None:
    started(place, "acme/demo", "--public", f"{place.hub.url}/acme/demo")
    served = tmp_path / "served"
    served.mkdir()
    with nginx(served) as address:
        place.actions.enable_pages("acme/demo", f"{address}/demo", served / "demo")
        published = place.tagged("acme/demo")
        assert published.result == "success", published.text
        assert {name: job.permissions for name, job in published.jobs.items()} == {
            "publish / build / build": {"contents": "read"},
            "publish / publish": {"contents": "write"},
        }
        assert published["publish / publish"].concurrency == "wharf-publish-main-refs/tags/v1.0"
        assert place.index("acme/demo") == ["acme_demo-1.0-py3-none-any.whl", "acme_demo-1.0.tar.gz"]
        (site,) = place.actions.dispatched()
        assert site.result == "success", site.text
        assert site["site / site"].permissions == {"contents": "read", "pages": "write", "id-token": "write"}
        assert site["site / site"].outputs["commit"] == published["publish / publish"].outputs["commit"]
        place.hub.calls.clear()
        install(tmp_path / "target", f"{address}/demo/simple/", "acme-demo")
        assert "from the index" in (tmp_path / "target" / "acme_demo" / "__init__.py").read_text()
        asked = [call.path.rpartition("/")[2] for call in place.hub.calls if call.kind == "web"]
        assert asked == ["acme_demo-1.0-py3-none-any.whl.metadata", "acme_demo-1.0-py3-none-any.whl"]
        # The same tag again, and once more by hand: nothing is published twice, and the site comes out the same.
        again = published.again()
        assert again.result == "success", again.text
        (site,) = place.actions.dispatched()
        (by_hand,) = place.actions.event("acme/demo", "workflow_dispatch")
        assert site.result == by_hand.result == "success", site.text + by_hand.text
        assert place.actions.pages["acme/demo"].deployed == 3
        install(tmp_path / "again", f"{address}/demo/simple/", "acme-demo==1.0")
    no_token_left(place)


@pytest.mark.real
@pytest.mark.slow
def test_a_private_project_publishes_into_a_central_repository_whose_workflow_makes_the_site(
    place: Place, tmp_path: Path
) -> None:
    central = place.hub.create("acme/packages", private=False)
    served = tmp_path / "served"
    served.mkdir()
    center = tmp_path / "center"
    git(tmp_path, "clone", "--quiet", str(central.git_dir), str(center))
    git(center, "remote", "set-url", "origin", f"{place.hub.url}/acme/packages.git")
    wharf_in(center, place, "init", "--workflow", f"{place.hub.url}/acme/packages")
    git(center, "add", "--all")
    git(center, "commit", "--quiet", "-m", "A site")
    git(center, "push", "--quiet", str(central.git_dir), "main")
    source = place.hub.create("acme/demo")
    started(place, "acme/demo", f"{place.hub.url}/acme/packages")
    with nginx(served) as address:
        place.actions.enable_pages("acme/packages", f"{address}/packages", served / "packages")
        missing = place.tagged("acme/demo")
        assert missing.error == "Secret token is required, but not provided while calling."
        token = place.hub.token("acme", {"acme/packages": "write"}, kind="fine-grained")
        place.actions.secrets["acme/demo"] = {"WHARF_TOKEN": token}
        published = place.tagged("acme/demo")
        assert published.result == "success", published.text
        assert published["publish / publish"].permissions == {}
        assert source.releases == []
        (site,) = place.actions.dispatched()
        assert site.result == "success", site.text
        install(tmp_path / "target", f"{address}/packages/simple/", "acme-demo")
    no_token_left(place)


@pytest.mark.real
@pytest.mark.slow
def test_a_private_repository_is_read_with_wharf_run(place: Place, tmp_path: Path) -> None:
    started(place, "acme/demo", f"{place.hub.url}/acme/demo")
    published = place.tagged("acme/demo")
    assert published.result == "success", published.text
    assert place.actions.dispatched() == []
    environment = os.environ | {
        "WHARF_TOKEN": place.hub.token("reader", {"acme/demo": "read"}),
        "WHARF_REPO": f"{place.hub.url}/acme/demo",
    }
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--target", str(tmp_path / "target"), "acme-demo"]
    done = subprocess.run([WHARF, "run", "--", *pip], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "target" / "acme_demo" / "__init__.py").is_file()


@pytest.mark.real
@pytest.mark.slow
def test_the_project_publishes_itself(place: Place, tmp_path: Path) -> None:
    checks = "on: workflow_call\njobs: {test: {runs-on: ubuntu-24.04, steps: [{run: 'true'}]}}\n"
    place.actions.stand_ins[".github/workflows/ci.yml"] = checks  # which is this very suite
    served = tmp_path / "served"
    served.mkdir()
    place.begin(actions_workflow.OWN)
    with nginx(served) as address:
        place.actions.enable_pages(actions_workflow.OWN, f"{address}/wharf", served / "wharf")
        published = place.tagged(actions_workflow.OWN, TAG)
        assert published.result == "success", published.text
        assert list(published.jobs) == ["checks / test", "publish / build / build", "publish / publish"]
        (site,) = place.actions.dispatched()
        assert site.result == "success", site.text
        install(tmp_path / "target", f"{address}/wharf/simple/", "--no-deps", "wharf-index")
    said = subprocess.run(
        [sys.executable, "-m", "wharf", "--version"],
        cwd=tmp_path / "target",
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split()[-1] == wharf.__version__


@pytest.mark.slow
def test_pages_takes_no_site_from_a_tag(place: Place, files: dict[str, str | Path]) -> None:
    """Why the site follows the event and not the tag: GitHub's rule for the environment, which the runner keeps too."""
    flow = f"""\
on: push
permissions: {{}}
jobs:
  site:
    permissions: {{contents: read, pages: write, id-token: write}}
    uses: {actions_workflow.OWN}/.github/workflows/site.yml@{TAG}
"""
    place.project("acme/demo", {**files, FLOW: flow})
    run = place.tagged("acme/demo")
    assert run.result == "failure"
    assert "not allowed to deploy to github-pages" in run["site / site"].log[-1]
