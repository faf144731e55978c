"""One job: a fresh machine, its steps in order, and what they say in files and in the log."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.actions import emulated, files
from tests.actions.expressions import Scope, Strict, condition, text, value
from tests.actions.words import NotKnown, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.actions.runner import Actions, Run

_COMMAND = re.compile(r"::([a-z-]+|[0-9a-f]{32})(?: ([^:]*))?::(.*)")
_UNESCAPED = {"%0A": "\n", "%0D": "\r", "%3A": ":", "%2C": ",", "%25": "%"}


@dataclass(frozen=True)
class Place:
    """Where a workflow or action file came from: `$/` means that repository at that commit."""

    slug: str
    sha: str


@dataclass(frozen=True)
class Annotation:
    kind: str
    title: str
    message: str


@dataclass
class Step:
    """How a step went."""

    name: str
    outcome: str
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """A job of a run; `result` as in `needs.<job>.result`."""

    name: str
    permissions: files.Permissions
    result: str = ""
    concurrency: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    summary: str = ""
    log: list[str] = field(default_factory=list)
    token: str = field(default="", repr=False)
    home: Path = Path()

    @property
    def errors(self) -> list[str]:
        return [each.message for each in self.annotations if each.kind == "error"]


class Lost(Exception):  # noqa: N818
    """The machine went away."""


class StepFailed(Exception):  # noqa: N818
    """A step of an emulated action failed, with this message."""


class Machine:
    """The machine of one job."""

    def __init__(self, actions: Actions, run: Run, job: Job, place: Place, spec: Mapping[str, Any], contexts: dict[str, Any]):
        self.actions, self.run, self.job, self.place, self.spec = actions, run, job, place, spec
        self.home = job.home
        self.workspace, self.temp = self.home / "workspace", self.home / "temp"
        for folder in (self.workspace, self.temp, self.home / "home"):
            folder.mkdir(parents=True)
        self.masks = {job.token, *run.secrets.values()} - {""}
        self.environment: dict[str, str] = {}  # of GITHUB_ENV
        self.paths: list[str] = []  # of GITHUB_PATH
        self.process: subprocess.Popen[str] | None = None
        self.lost = threading.Event()
        self.mute: str | None = None
        github = contexts["github"] | {"token": job.token, "job": job.name, "workspace": str(self.workspace)}
        runner = Strict(os="Linux", arch="X64", name="runner", temp=str(self.temp), environment="github-hosted", debug="")
        workflow = Strict(workflow_repository=place.slug, workflow_sha=place.sha, status="success")
        self.contexts = contexts | {"github": Strict(github), "runner": runner, "job": workflow}

    def lose(self) -> None:
        """Take the machine away: whatever runs on it gets SIGKILL, and nothing else runs any more."""
        self.lost.set()
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def work(self) -> None:
        """All steps, then the outputs."""
        steps: dict[str, Any] = {}
        environment = {name: text(each, Scope(self.contexts)) for name, each in self.spec.get("env", {}).items()}
        try:
            fine = self.steps(self.spec["steps"], self.contexts, steps, environment, self.place, None)
        except Lost:
            self.job.result = "failure"
            self.job.log.append("The runner has received a shutdown signal.")
            return
        self.job.result = "success" if fine else "failure"
        scope = Scope(self.contexts | {"steps": steps})
        self.job.outputs = {name: text(each, scope) for name, each in self.spec.get("outputs", {}).items()}

    def steps(
        self,
        steps: list[dict[str, Any]],
        contexts: dict[str, Any],
        done: dict[str, Any],
        environment: Mapping[str, str],
        place: Place,
        action: Path | None,
    ) -> bool:
        """Run steps in order; whether all went well. `action`: the folder of the composite action that they belong to."""
        fine = True
        outputs: dict[str, str]
        for step in steps:
            seen = contexts | {"steps": done, "env": {**environment, **self.environment}}

            def status(word: str) -> bool:
                return {"success": fine, "failure": not fine, "always": True, "cancelled": False}[word]  # noqa: B023

            unsecret = {name: each for name, each in seen.items() if name != "secrets"}
            if not condition(step.get("if"), Scope(unsecret, status)):
                name, outcome, outputs = step.get("name") or step.get("uses", "run"), "skipped", {}
            else:
                name, outcome, outputs = self.step(step, seen, environment, place, action)
            if action is None:
                self.job.steps.append(Step(name, outcome, outputs))
            goes_on = value(step.get("continue-on-error", False), Scope(seen)) is True
            fine = fine and (outcome != "failure" or goes_on)
            if "id" in step:
                done[step["id"]] = {
                    "outputs": outputs,
                    "outcome": outcome,
                    "conclusion": "success" if outcome == "failure" and goes_on else outcome,
                }
            if self.actions.lose_after == name:
                self.lost.set()
                raise Lost
        return fine

    def step(
        self, step: dict[str, Any], seen: dict[str, Any], environment: Mapping[str, str], place: Place, action: Path | None
    ) -> tuple[str, str, dict[str, str]]:
        scope = Scope(seen)
        own = {**environment, **self.environment}
        own |= {name: text(each, scope) for name, each in (step.get("env") or {}).items()}
        name = text(step.get("name") or step.get("uses") or str(step["run"]).splitlines()[0], scope)
        self.say(f"##[group]{name}")
        try:
            if "run" in step:
                fine, outputs = self.shell(
                    text(step["run"], scope), own, text(step.get("working-directory", "."), scope), action
                )
            else:
                given = {key: text(each, scope) for key, each in (step.get("with") or {}).items()}
                fine, outputs = self.use(step["uses"], given, seen, own, place)
        except StepFailed as error:
            self.job.annotations.append(Annotation("error", "", str(error)))
            self.say(f"##[error]{error}")
            fine, outputs = False, {}
        return name, "success" if fine else "failure", outputs

    def use(
        self, uses: str, given: dict[str, str], seen: dict[str, Any], environment: Mapping[str, str], place: Place
    ) -> tuple[bool, dict[str, str]]:
        """An action: an emulated one, or a composite one out of a repository or the workspace."""
        slug, _, sha = uses.partition("@")
        if slug in emulated.KNOWN:
            return True, emulated.use(self, slug, sha, given)
        if uses.startswith("./"):
            folder, origin = self.workspace / uses, place
        else:
            origin, path = self.actions.resolve(uses, place)
            folder = self.actions.checkout(origin) / path
        file = folder / "action.yml"
        if not file.is_file():
            raise StepFailed(f"Can't find 'action.yml' under '{folder}'. Did you forget to run actions/checkout?")
        spec = files.action(file.read_text(encoding="utf-8"))
        known = spec.get("inputs", {})
        if extra := set(given) - set(known):
            raise NotKnown(f"{uses} has no inputs {extra}")
        outside = {name: each for name, each in seen.items() if name not in {"secrets", "steps", "inputs", "needs"}}
        inputs = Strict(
            (name, given[name] if name in given else text(each.get("default", ""), Scope(outside)))
            for name, each in known.items()
        )
        github = Strict(
            seen["github"] | {"action_path": str(folder), "action_repository": origin.slug, "action_ref": origin.sha}
        )
        inside = outside | {"inputs": inputs, "github": github}
        done: dict[str, Any] = {}
        fine = self.steps(spec["runs"]["steps"], inside, done, environment, origin, folder)
        scope = Scope(inside | {"steps": done})
        return fine, {name: text(each["value"], scope) for name, each in spec.get("outputs", {}).items()}

    def environ(self, own: Mapping[str, str], action: Path | None) -> dict[str, str]:
        """All of the environment of a step."""
        github = self.contexts["github"]
        named = {
            **{f"GITHUB_{name.upper()}": str(github[name]) for name in _SHOWN},
            "GITHUB_WORKSPACE": str(self.workspace),
            **({"GITHUB_ACTION_PATH": str(action)} if action else {}),
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_OS": "Linux",
            "GITHUB_ACTIONS": "true",
            "CI": "true",
        }
        base = {**self.actions.environ, "HOME": str(self.home / "home")}
        base["PATH"] = os.pathsep.join([*reversed(self.paths), base["PATH"]])
        return {**base, **named, **own}

    def shell(self, script: str, own: Mapping[str, str], where: str, action: Path | None) -> tuple[bool, dict[str, str]]:
        """Run a script as GitHub's runner does for `shell: bash`."""
        if self.lost.is_set():
            raise Lost
        number = len(list(self.temp.glob("_script_*")))
        path = self.temp / f"_script_{number}.sh"
        path.write_text(script + "\n", encoding="utf-8")
        told = {word: self.temp / f"_{word.lower()}_{number}" for word in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY", "STATE")}
        for file in told.values():
            file.touch()
        environment = self.environ(own, action) | {f"GITHUB_{word}": str(file) for word, file in told.items()}
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)],
            cwd=self.workspace / where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout is not None
        watch = threading.Timer(float(self.spec.get("timeout-minutes", 360)) * 60, self.lose)
        watch.start()
        with self.process.stdout as out:
            for line in out:
                self.say(line.rstrip("\n"))
        code = self.process.wait()
        watch.cancel()
        self.process = None
        if self.lost.is_set():
            raise Lost
        self.environment |= _pairs(told["ENV"].read_text(encoding="utf-8"))
        self.paths += told["PATH"].read_text(encoding="utf-8").splitlines()
        self.job.summary += told["STEP_SUMMARY"].read_text(encoding="utf-8")
        if code:
            self.say(f"##[error]Process completed with exit code {code}.")
        return code == 0, _pairs(told["OUTPUT"].read_text(encoding="utf-8"))

    def say(self, line: str) -> None:
        """Into the log, with secrets masked; a workflow command is obeyed."""
        match = _COMMAND.fullmatch(line)
        if match and self.mute is not None:
            if match[1] == self.mute:
                self.mute = None
        elif match:
            self.command(match[1], match[2] or "", match[3])
        for secret in self.masks:
            line = line.replace(secret, "***")
        self.job.log.append(line)

    def command(self, word: str, properties: str, message: str) -> None:
        """GitHub's page "Workflow commands for GitHub Actions"."""
        if word == "stop-commands":
            self.mute = message
        elif word in {"error", "warning", "notice"}:
            named = dict(each.partition("=")[::2] for each in properties.split(",") if each)
            self.job.annotations.append(Annotation(word, _unescaped(named.get("title", "")), _unescaped(message)))
        elif word == "add-mask":
            self.masks.add(message)
        elif word not in {"group", "endgroup"}:
            raise NotKnown(f"the workflow command {word}")

    def fresh(self, folder: Path) -> None:
        """Empty a folder of the workspace."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)


_SHOWN = (
    *("repository", "repository_owner", "ref", "ref_name", "ref_type", "sha", "event_name", "server_url", "api_url"),
    *("graphql_url", "actor", "run_id", "run_attempt", "job", "workflow", "event_path"),
)


def _unescaped(message: str) -> str:
    for escaped, plain in _UNESCAPED.items():
        message = message.replace(escaped, plain)
    return message


def _pairs(written: str) -> dict[str, str]:
    """What GITHUB_OUTPUT and GITHUB_ENV hold: `name=value`, or `name<<mark`, lines, `mark`."""
    found: dict[str, str] = {}
    lines = iter(written.splitlines())
    for line in lines:
        plain, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (plain < 0 or heredoc < plain):
            name, _, mark = line.partition("<<")
            body = []
            for each in lines:
                if each == mark:
                    break
                body.append(each)
            else:
                raise WorkflowError(f"Invalid value. Matching delimiter not found '{mark}'")
            found[name] = "\n".join(body)
        elif plain > 0:
            found[line[:plain]] = line[plain + 1 :]
        elif line:
            raise WorkflowError(f"Invalid format '{line}'")
    return found
