"""Runs of workflows: which ones an event starts, their jobs in order, and called workflows."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.actions import files
from tests.actions.expressions import Scope, Strict, condition, text, value
from tests.actions.groups import Groups
from tests.actions.jobs import Job, Machine, Place
from tests.actions.words import NotKnown, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.simulator import Hub, Repo

_FOLDER = ".github/workflows"
DEFAULT = {"contents": "read", "packages": "read"}
"""What a job's token may do where no file says: the restricted setting, which new organisations have."""


@dataclass
class Site:
    """Pages of one repository: where it is seen, and the folder (a link) that is served there."""

    address: str
    folder: Path
    deployed: int = 0


@dataclass
class Run:
    """One run of one workflow."""

    workflow: str
    event: str
    home: Path
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    artifacts: dict[str, Path] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    error: str = ""
    number: int = 1
    attempt: int = 1
    again: Callable[[], Run] = lambda: _never()

    @property
    def result(self) -> str:
        results = {job.result for job in self.jobs.values()}
        return "failure" if self.error or "failure" in results else "cancelled" if "cancelled" in results else "success"

    def __getitem__(self, name: str) -> Job:
        return self.jobs[name]

    @property
    def text(self) -> str:
        """All that was said, for a test that failed."""
        return "\n".join([self.error, *(f"== {name}: {job.result}\n" + "\n".join(job.log) for name, job in self.jobs.items())])


def _never() -> Run:
    raise AssertionError


@dataclass
class Outcome:
    """What `needs` and `jobs` see of a job."""

    result: str
    outputs: dict[str, Any]


class Actions:
    """The Actions of a simulator. `environ`: what the image of the machines brings along; nothing else is inherited."""

    def __init__(self, hub: Hub, root: Path, environ: Mapping[str, str]) -> None:
        self.hub, self.root, self.environ = hub, root, dict(environ)
        self.lock = threading.RLock()
        self.groups = Groups()
        self.pages: dict[str, Site] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.uploads: list[str] = []
        self.machines: list[Machine] = []
        self.lose_after: str | None = None
        self.stand_ins: dict[str, str] = {}
        """Workflow files by path that stand for those of the same path, in any repository."""
        self._runs = 0
        root.mkdir(parents=True)

    def enable_pages(self, slug: str, address: str, folder: Path) -> None:
        self.pages[slug] = Site(address, folder)

    def event(self, slug: str, name: str, ref: str = "", payload: Mapping[str, Any] | None = None) -> list[Run]:
        """All runs that the event starts, once they are over. `ref`: the default branch, if it is not said.

        For pull_request_target that is where GitHub takes workflow and commit from, whatever the pull request's base is.
        """
        repo = self._repo(slug)
        ref = ref or f"refs/heads/{repo.default_branch}"
        sha = _git(repo.git_dir, "rev-parse", f"{ref}^{{commit}}")
        runs = []
        for path in _git(repo.git_dir, "ls-tree", "--name-only", sha, f"{_FOLDER}/").splitlines():
            spec = files.workflow(self.read(Place(slug, sha), path))
            if _starts(spec["on"], name, ref, payload or {}):
                runs.append(self._run(repo, path, name, ref, sha, payload or {}))
        return runs

    def dispatched(self) -> list[Run]:
        """The runs of the repository_dispatch events that came in since this was last asked."""
        runs = []
        for repo in list(self.hub.repos.values()):
            while repo.dispatches:
                kind, about = repo.dispatches.pop(0)
                payload = {"action": kind, "client_payload": about}
                runs += self.event(repo.slug, "repository_dispatch", payload=payload)
        return runs

    def _repo(self, slug: str) -> Repo:
        repo = self.hub.find(slug)
        assert repo is not None, slug
        return repo

    def _run(
        self,
        repo: Repo,
        path: str,
        event: str,
        ref: str,
        sha: str,
        payload: Mapping[str, Any],
        number: int = 0,
        attempt: int = 1,
    ) -> Run:
        with self.lock:
            self._runs += 1
            home = self.root / f"run-{self._runs}"
            number = number or self._runs
        home.mkdir()
        run = Run(path, event, home, dict(self.secrets.get(repo.slug, {})), number=number, attempt=attempt)
        run.again = lambda: self._run(repo, path, event, ref, sha, payload, number, attempt + 1)
        event_path = home / "event.json"
        event_path.write_text(json.dumps(payload), encoding="utf-8")
        kind, _, ref_name = ref.removeprefix("refs/").partition("/")
        github = {
            "repository": repo.slug,
            "repository_owner": repo.owner,
            "ref": ref,
            "ref_name": ref_name,
            "ref_type": "tag" if kind == "tags" else "branch",
            "sha": sha,
            "event_name": event,
            "event": dict(payload),
            "event_path": str(event_path),
            "server_url": self.hub.url,
            "api_url": self.hub.api,
            "graphql_url": f"{self.hub.url}/api/graphql",
            "actor": repo.owner,
            "run_id": str(number),
            "run_attempt": str(attempt),
            "workflow": path,
        }
        try:
            spec = files.workflow(self.read(Place(repo.slug, sha), path))
            granted = files.permissions(spec.get("permissions"), DEFAULT)
            self._jobs(run, spec, Place(repo.slug, sha), github, Strict(), Strict(run.secrets), granted, "", top=True)
        except WorkflowError as error:
            run.error = str(error)
        return run

    def _jobs(
        self,
        run: Run,
        spec: dict[str, Any],
        place: Place,
        github: dict[str, Any],
        inputs: Strict,
        secrets: Any,
        granted: files.Permissions,
        prefix: str,
        *,
        top: bool,
    ) -> dict[str, Outcome]:
        """The jobs of a workflow in the order of their needs."""
        if not top:
            for name, job in spec["jobs"].items():
                files.check_granted(name, files.permissions(job.get("permissions"), granted), granted)
        done: dict[str, Outcome] = {}
        while left := [name for name in spec["jobs"] if name not in done]:
            ready = [name for name in left if set(spec["jobs"][name]["needs"]) <= set(done)]
            if not ready:
                raise WorkflowError(f"The workflow's jobs need each other: {left}")
            for name in ready:
                job = spec["jobs"][name]
                if "steps" in job:
                    job["env"] = spec.get("env", {}) | job.get("env", {})
                scope = Scope(self._contexts(github, inputs, done, job), _status(spec["jobs"], done, job))
                if not condition(job.get("if"), scope):
                    done[name] = Outcome("skipped", {})
                    continue
                allowed = files.permissions(job.get("permissions"), granted)
                if top:
                    allowed = files.permissions(job.get("permissions"), files.permissions(spec.get("permissions"), DEFAULT))
                act = self._call if "uses" in job else self._work
                done[name] = act(run, name, job, place, scope, secrets, allowed, prefix)
        return done

    def _contexts(
        self, github: dict[str, Any], inputs: Strict, done: dict[str, Outcome], job: dict[str, Any]
    ) -> dict[str, Any]:
        needs = Strict({name: {"result": done[name].result, "outputs": done[name].outputs} for name in job["needs"]})
        return {"github": Strict(github), "inputs": inputs, "needs": needs, "vars": {}}

    def _call(
        self,
        run: Run,
        name: str,
        job: dict[str, Any],
        place: Place,
        scope: Scope,
        secrets: Any,
        allowed: files.Permissions,
        prefix: str,
    ) -> Outcome:
        """A called workflow as one job of its caller."""
        if "concurrency" in job:
            raise NotKnown("concurrency of a job that calls a workflow")
        origin, path = self.resolve(job["uses"], place)
        spec = files.workflow(self.read(origin, path))
        if "workflow_call" not in spec["on"]:
            raise WorkflowError(f"{path}: workflow is not reusable as it is missing a `on.workflow_call` trigger")
        wants = spec["on"]["workflow_call"] or {}
        files.only(wants, {"inputs", "secrets", "outputs"}, "workflow_call")
        inputs = _inputs(wants.get("inputs", {}), job.get("with", {}), scope)
        given = _secrets(wants.get("secrets", {}), job.get("secrets", {}), scope, secrets)
        granted = allowed
        if "permissions" in spec:
            # A called workflow's own `permissions` are what its jobs have that say nothing; more than its caller's is refused.
            files.check_granted(path, files.permissions(spec["permissions"], allowed), allowed)
        github = {key: each for key, each in scope.contexts["github"].items() if key != "token"}
        jobs = self._jobs(run, spec, origin, github, inputs, given, granted, f"{prefix}{name} / ", top=False)
        results = {each.result for each in jobs.values()}
        result = next((word for word in ("failure", "cancelled", "success") if word in results), "skipped")
        seen = Scope({"jobs": {key: {"outputs": each.outputs} for key, each in jobs.items()}, "inputs": inputs})
        return Outcome(result, {key: text(each["value"], seen) for key, each in wants.get("outputs", {}).items()})

    def _work(
        self,
        run: Run,
        name: str,
        spec: dict[str, Any],
        place: Place,
        scope: Scope,
        secrets: Any,
        allowed: files.Permissions,
        prefix: str,
    ) -> Outcome:
        """A job with steps, on a machine of its own."""
        github = scope.contexts["github"]
        slug = github["repository"]
        with self.lock:
            job = Job(f"{prefix}{name}", allowed, home=run.home / f"job-{len(run.jobs)}")
            run.jobs[job.name] = job
        concurrency = spec.get("concurrency")
        if concurrency is not None:
            files.only(concurrency, {"group", "cancel-in-progress"}, "concurrency")
            if value(concurrency.get("cancel-in-progress", False), scope) is not False:
                raise NotKnown("cancel-in-progress")
            job.concurrency = text(concurrency["group"], scope)
        with self.groups.turn(slug, job.concurrency) as mine:
            if not mine:
                job.result = "cancelled"
                return Outcome("cancelled", {})
            environment = spec.get("environment") or {}
            if environment and environment["name"] == "github-pages":
                default = f"refs/heads/{self._repo(slug).default_branch}"
                if github["ref"] != default:  # the rule that GitHub makes with the environment
                    job.result = "failure"
                    job.log.append(
                        f"{github['ref']} is not allowed to deploy to github-pages due to environment protection rules."
                    )
                    return Outcome("failure", {})
            level = {"write": "write", "read": "read"}.get(allowed.get("contents", ""), "read")
            job.token = self.hub.token("github-actions[bot]", {slug: level}, kind="actions", contents="contents" in allowed)
            contexts = {**scope.contexts, "secrets": {**secrets, "GITHUB_TOKEN": job.token}}
            machine = Machine(self, run, job, place, spec, contexts)
            with self.lock:
                self.machines.append(machine)
            try:
                machine.work()
            finally:
                self.hub.revoke(job.token)
        return Outcome(job.result, job.outputs)

    def resolve(self, uses: str, place: Place) -> tuple[Place, str]:
        """Where `uses` leads: a repository at a commit, and the path in it."""
        if uses.startswith("$/"):
            return place, uses.removeprefix("$/")
        if uses.startswith("./"):
            return place, uses.removeprefix("./")
        path, at, ref = uses.partition("@")
        parts = path.split("/")
        slug, repo = "/".join(parts[:2]), self.hub.find("/".join(parts[:2]))
        if repo is None or not at:
            raise NotKnown(f"{uses}: neither emulated nor a repository of the simulator")
        for full in (ref, f"refs/tags/{ref}", f"refs/heads/{ref}"):
            sha = _git(repo.git_dir, "rev-parse", "--verify", "--quiet", f"{full}^{{commit}}", fails=True)
            if sha and (full != ref or sha == ref):
                return Place(slug, sha), "/".join(parts[2:])
        raise WorkflowError(f"Unable to resolve action `{uses}`, unable to find version `{ref}`")

    def read(self, place: Place, path: str) -> str:
        """A file of a repository at a commit."""
        if path in self.stand_ins:
            return self.stand_ins[path]
        found = _git(self._repo(place.slug).git_dir, "show", f"{place.sha}:{path}", fails=True)
        if not found:
            raise WorkflowError(f"workflow was not found: {place.slug}/{path}@{place.sha}")
        return found

    def checkout(self, place: Place) -> Path:
        """The whole repository at a commit, as the runner unpacks it for an action."""
        target = self.root / "_actions" / place.slug / place.sha
        with self.lock:
            if not target.exists():
                target.mkdir(parents=True)
                archive = subprocess.Popen(
                    ["git", f"--git-dir={self._repo(place.slug).git_dir}", "archive", place.sha], stdout=subprocess.PIPE
                )
                subprocess.run(["tar", "-x", "-C", str(target)], stdin=archive.stdout, check=True)
                assert archive.stdout is not None
                archive.stdout.close()
                assert archive.wait() == 0
        return target


def _status(specs: dict[str, Any], done: dict[str, Outcome], job: dict[str, Any]) -> Callable[[str], bool]:
    """success(), failure() and their like for a job: all jobs before it count, and one that was skipped is no success."""
    before: set[str] = set()
    new = set(job["needs"])
    while new - before:
        before |= new
        new = {each for name in before for each in specs[name]["needs"]}
    results = {done[name].result for name in before}
    found = {
        "success": results <= {"success"},
        "failure": "failure" in results,
        "cancelled": "cancelled" in results,
        "always": True,
    }
    return found.__getitem__


def _inputs(wants: dict[str, Any], given: dict[str, Any], scope: Scope) -> Strict:
    """The inputs of a called workflow, each of its type."""
    if extra := set(given) - set(wants):
        raise WorkflowError(f"Invalid input, {', '.join(extra)} is not defined in the referenced workflow.")
    found = Strict()
    for name, spec in wants.items():
        files.only(spec, {"description", "type", "default", "required"}, f"the input {name}")
        if spec.get("required") and name not in given:
            raise WorkflowError(f"Input {name} is required, but not provided while calling.")
        kind = {"string": str, "boolean": bool}[spec["type"]]
        found[name] = value(given[name], scope) if name in given else spec.get("default", kind())
        if not isinstance(found[name], kind):
            raise WorkflowError(f"The template is not valid. Unexpected value '{found[name]}' for the input {name}")
    return found


def _secrets(wants: dict[str, Any], given: Any, scope: Scope, secrets: Any) -> Any:
    """The secrets of a called workflow: those that it declares, as its caller passes them on."""
    if not isinstance(given, dict):
        raise NotKnown(f"secrets: {given}")
    if extra := set(given) - set(wants):
        raise WorkflowError(f"Invalid secret, {', '.join(extra)} is not defined in the referenced workflow.")
    lenient = Scope({**scope.contexts, "secrets": dict(secrets)})  # a secret that is not set is empty
    found = {name: text(given[name], lenient) if name in given else "" for name in wants}
    if missing := [name for name, spec in wants.items() if spec.get("required") and not found[name]]:
        raise WorkflowError(f"Secret {missing[0]} is required, but not provided while calling.")
    return Strict(found)


def _starts(on: dict[str, Any], event: str, ref: str, payload: Mapping[str, Any]) -> bool:
    """Whether an event starts a workflow."""
    if event not in on:
        return False
    about = on[event] or {}
    if event == "push":
        files.only(about, {"tags", "branches"}, "push")
        kind = "tags" if ref.startswith("refs/tags/") else "branches"
        name = ref.split("/", 2)[2]
        if not about:
            return True
        return any(fnmatch.fnmatchcase(name, each) for each in about.get(kind, []))
    if event == "repository_dispatch":
        files.only(about, {"types"}, event)
        return "types" not in about or payload["action"] in about["types"]
    if event == "workflow_dispatch":
        files.only(about, set(), event)
        return True
    if event == "schedule":
        for each in about:
            files.only(each, {"cron"}, event)
        return ref == "refs/heads/main" and bool(about)
    if event == "pull_request_target":
        files.only(about, {"branches"}, event)
        base = payload["pull_request"]["base"]["ref"]
        opened = payload["action"] in {"opened", "synchronize", "reopened"}
        return opened and any(_branch(each).fullmatch(base) for each in about.get("branches", ["**"]))
    raise NotKnown(f"the event {event}")


def _branch(pattern: str) -> re.Pattern[str]:
    """GitHub's page "Workflow syntax", "Filter pattern cheat sheet": `*` stands for no slash, `**` for anything."""
    if not re.fullmatch(r"[\w./*-]+", pattern):
        raise NotKnown(f"the pattern {pattern}")
    return re.compile(re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"))


def _git(git_dir: Path, *words: str, fails: bool = False) -> str:
    done = subprocess.run(["git", f"--git-dir={git_dir}", *words], capture_output=True, text=True, check=not fails)
    return done.stdout.strip() if done.returncode == 0 else ""
