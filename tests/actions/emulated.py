"""Actions of third parties, each by the one commit that is pinned: the inputs that are used, and what they really do.

They are written for another runner (JavaScript), so their code cannot be run here. Checkout is a real git, the artifact of a
site is a real tar, made by the command of the action itself.
"""

from __future__ import annotations

import base64
import fnmatch
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.actions.words import NotKnown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.actions.jobs import Machine

    Outputs = dict[str, str]


@dataclass(frozen=True)
class Known:
    """An action: its pinned commit, the release that is, and the inputs that are known here with their defaults."""

    sha: str
    release: str
    inputs: dict[str, str]
    run: Callable[[Machine, dict[str, str]], Outputs]


def use(machine: Machine, slug: str, sha: str, given: dict[str, str]) -> Outputs:
    """Run one. Raises NotKnown for another commit or input, StepFailed where the action would fail."""
    known = KNOWN[slug]
    if sha != known.sha:
        raise NotKnown(f"{slug}@{sha}: known is {known.sha}, {known.release}")
    if extra := set(given) - set(known.inputs):
        raise NotKnown(f"{slug} with {', '.join(sorted(extra))}")
    return known.run(machine, known.inputs | given)


def _fail(message: str) -> None:
    from tests.actions.jobs import StepFailed

    raise StepFailed(message)


def _checkout(machine: Machine, given: dict[str, str]) -> Outputs:
    """As actions/checkout does it: init, one shallow fetch, a detached or branch checkout."""
    github = machine.contexts["github"]
    if given["persist-credentials"] != "false":
        raise NotKnown("actions/checkout that leaves the token on the disk")
    target = machine.workspace / given["path"]
    target.mkdir(parents=True, exist_ok=True)
    own = given["repository"] in {"", github["repository"]}
    slug = github["repository"] if own else given["repository"]
    ref, sha = (github["ref"], github["sha"]) if own and not given["ref"] else (given["ref"], "")
    url = f"{github['server_url']}/{slug}.git"  # the simulator knows this spelling alone
    header = base64.b64encode(f"x-access-token:{given['token'] or machine.job.token}".encode()).decode()
    environment = machine.environ({}, None) | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{github['server_url']}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {header}",
        "GIT_TERMINAL_PROMPT": "0",
    }

    def git(*words: str) -> None:
        done = subprocess.run(["git", *words], cwd=target, env=environment, capture_output=True, text=True, check=False)
        machine.say(f"git {' '.join(words)}")
        if done.returncode:
            _fail(f"The process '/usr/bin/git' failed with exit code {done.returncode}: {done.stderr.strip()}")

    git("init", "--quiet", "--initial-branch=main")
    git("remote", "add", "origin", url)
    depth = [] if given["fetch-depth"] == "0" else [f"--depth={given['fetch-depth']}"]
    source = sha or ref or "HEAD"
    target_ref = ref if sha and ref.startswith("refs/tags/") else "refs/remotes/origin/it"
    git("-c", "protocol.version=2", "fetch", "--quiet", "--no-tags", *depth, "origin", f"+{source}:{target_ref}")
    git("checkout", "--quiet", "--force", "--detach", target_ref)
    return {"ref": ref, "commit": sha}


def _setup_python(machine: Machine, given: dict[str, str]) -> Outputs:
    """A Python of the job's own with pip in front of the PATH: the one that runs the tests, whatever version is asked for."""
    place = machine.home / "python"
    venv.create(place, with_pip=True, symlinks=True)
    machine.paths.append(str(place / "bin"))
    return {"python-version": ".".join(map(str, sys.version_info[:3])), "python-path": str(place / "bin" / "python")}


def _upload_artifact(machine: Machine, given: dict[str, str]) -> Outputs:
    """An artifact of the run. Hidden files stay outside."""
    name, artifacts = given["name"], machine.run.artifacts
    source = machine.workspace / given["path"]
    if "*" in given["path"] or "\n" in given["path"]:
        raise NotKnown(f"a pattern of paths: {given['path']}")
    found = sorted(path for path in ([source] if source.is_file() else source.rglob("*")) if path.is_file())
    root = source.parent if source.is_file() else source
    kept = [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    if not kept:
        if given["if-no-files-found"] == "error":
            _fail(f"No files were found with the provided path: {given['path']}. No artifacts will be uploaded.")
        return {}
    if set(name) & set('":<>|*?\r\n\\/'):
        _fail(f"The artifact name is not valid: {name}")
    with machine.actions.lock:
        if name in artifacts and given["overwrite"] != "true":
            _fail("Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists on the workflow run")
        number = len(machine.actions.uploads)
        folder = machine.run.home / f"artifact-{number}"
        machine.actions.uploads.append(name)
        for path in kept:
            (folder / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.relative_to(root))  # a zip keeps no rights
        artifacts[name] = folder
    return {"artifact-id": str(number)}


def _download_artifact(machine: Machine, given: dict[str, str]) -> Outputs:
    """Artifacts of the run: one by its name, or those that match a pattern, into one folder."""
    target = machine.workspace / given["path"]
    artifacts = dict(machine.run.artifacts)
    if given["name"]:
        if given["name"] not in artifacts:
            _fail(f"Unable to download artifact(s): Artifact not found for name: {given['name']}")
        chosen = [given["name"]]
    elif given["merge-multiple"] == "true" and given["pattern"]:
        chosen = [name for name in artifacts if fnmatch.fnmatchcase(name, given["pattern"])]
    else:
        raise NotKnown("actions/download-artifact without name, or pattern and merge-multiple")
    for name in chosen:
        shutil.copytree(artifacts[name], target, dirs_exist_ok=True)
    return {"download-path": str(target)}


def _configure_pages(machine: Machine, given: dict[str, str]) -> Outputs:
    if machine.job.permissions.get("pages") != "write":
        _fail("Get Pages site failed. Error: Resource not accessible by integration")
    slug = machine.contexts["github"]["repository"]
    if slug not in machine.actions.pages:
        _fail(
            "Get Pages site failed. Please verify that the repository has Pages enabled and configured to build using "
            "GitHub Actions. Error: Not Found"
        )
    base = machine.actions.pages[slug].address
    return {"base_url": base, "base_path": f"/{slug.partition('/')[2]}"}


def _upload_pages_artifact(machine: Machine, given: dict[str, str]) -> Outputs:
    tar = machine.temp / "artifact.tar"
    words = [
        "gtar" if sys.platform == "darwin" else "tar",
        "--dereference",
        "--hard-dereference",
        "--directory",
        given["path"],
        "-cf",
        str(tar),
    ]
    words += ["--exclude=.git", "--exclude=.github", "--exclude=.[^/]*", "."]
    done = subprocess.run(words, cwd=machine.workspace, capture_output=True, text=True, check=False)
    if done.returncode:
        _fail(f"Process completed with exit code {done.returncode}: {done.stderr}")
    upload = KNOWN["actions/upload-artifact"].inputs | {"if-no-files-found": "error"}
    return {"artifact_id": _upload_artifact(machine, upload | {"name": "github-pages", "path": str(tar)})["artifact-id"]}


def _deploy_pages(machine: Machine, given: dict[str, str]) -> Outputs:
    """The site is swapped whole."""
    if machine.job.permissions.get("pages") != "write" or machine.job.permissions.get("id-token") != "write":
        _fail('Ensure GITHUB_TOKEN has permission "id-token: write" and "pages: write".')
    if not machine.spec.get("environment"):
        _fail("Invalid environment: a deployment to Pages needs the environment github-pages.")
    site = machine.actions.pages[machine.contexts["github"]["repository"]]
    unpacked = machine.run.home / f"site-{machine.job.name.replace('/', '-').replace(' ', '')}"
    with tarfile.open(machine.run.artifacts["github-pages"] / "artifact.tar") as tar:
        links = [member.name for member in tar if member.issym() or member.islnk()]
        if links:
            _fail(f"Pages takes no links: {links}")
        tar.extractall(unpacked, filter="data")
    link = site.folder.with_name(f"{site.folder.name}-{len(machine.actions.uploads)}.new")
    link.symlink_to(unpacked, target_is_directory=True)
    os.replace(link, site.folder)
    site.deployed += 1
    return {"page_url": site.address + "/"}


KNOWN = {
    "actions/checkout": Known(
        "3d3c42e5aac5ba805825da76410c181273ba90b1",
        "v7.0.1",
        {"repository": "", "ref": "", "token": "", "path": ".", "persist-credentials": "true", "fetch-depth": "1"},
        _checkout,
    ),
    "actions/setup-python": Known("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0", {"python-version": ""}, _setup_python),
    "actions/upload-artifact": Known(
        "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
        "v7.0.0",
        {"name": "artifact", "path": "", "if-no-files-found": "warn", "overwrite": "false", "retention-days": ""},
        _upload_artifact,
    ),
    "actions/download-artifact": Known(
        "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
        "v8.0.1",
        {"name": "", "path": ".", "pattern": "", "merge-multiple": "false"},
        _download_artifact,
    ),
    "actions/configure-pages": Known("983d7736d9b0ae728b81ab479565c72886d7745b", "v5.0.0", {}, _configure_pages),
    "actions/upload-pages-artifact": Known(
        "fc324d3547104276b827a68afc52ff2a11cc49c9", "v5.0.0", {"path": "_site/"}, _upload_pages_artifact
    ),
    "actions/deploy-pages": Known("cd2ce8fcbc39b97be8ca5fce6e763baed58fa128", "v5.0.0", {}, _deploy_pages),
}
