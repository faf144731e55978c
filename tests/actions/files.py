"""Workflow and action files, read strictly: a key that is not known here is an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.actions.words import NotKnown, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORKFLOW = {"name", "on", "permissions", "env", "jobs"}
_JOB = {
    *("name", "needs", "if", "permissions", "runs-on", "timeout-minutes", "concurrency", "environment", "outputs", "env"),
    *("steps", "uses", "with", "secrets"),
}
_CALL = {"name", "needs", "if", "permissions", "concurrency", "uses", "with", "secrets"}
_STEP = {"name", "id", "if", "uses", "with", "env", "run", "shell", "working-directory", "continue-on-error"}
_LEVELS = {"none": 0, "read": 1, "write": 2}
_PERMISSIONS = {"contents", "pages", "id-token", "packages", "actions", "issues", "pull-requests"}

Permissions = dict[str, str]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, as GitHub reads them: `on` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:bool"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load(text: str) -> dict[str, Any]:
    found = yaml.load(text, _Loader)
    if not isinstance(found, dict):
        raise WorkflowError("the file holds no mapping")
    return found


def workflow(text: str) -> dict[str, Any]:
    """A workflow whose keys are all known."""
    found = load(text)
    only(found, _WORKFLOW, "a workflow")
    if isinstance(found["on"], str):
        found["on"] = {found["on"]: None}
    elif isinstance(found["on"], list):
        found["on"] = dict.fromkeys(found["on"])
    for name, job in found["jobs"].items():
        only(job, _CALL if "uses" in job else _JOB, f"the job {name}")
        job["needs"] = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        if "uses" not in job:
            check_steps(job["steps"])
    return found


def action(text: str) -> dict[str, Any]:
    """A composite action whose keys are all known."""
    found = load(text)
    only(found, {"name", "description", "author", "inputs", "outputs", "runs", "branding"}, "an action")
    only(found["runs"], {"using", "steps"}, "runs")
    if found["runs"]["using"] != "composite":
        raise NotKnown(f"an action that is {found['runs']['using']}")
    check_steps(found["runs"]["steps"])
    for step in found["runs"]["steps"]:
        if "run" in step and "shell" not in step:
            raise WorkflowError("Required property is missing: shell")
    return found


def check_steps(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        only(step, _STEP, "a step")
        if ("run" in step) == ("uses" in step):
            raise WorkflowError(f"a step needs either run or uses: {step}")
        if step.get("shell", "bash") != "bash":
            raise NotKnown(f"the shell {step['shell']}")


def only(found: dict[str, Any], known: Iterable[str], what: str) -> None:
    if extra := set(found) - set(known):
        raise NotKnown(f"{what} with {', '.join(sorted(map(str, extra)))}")


def permissions(found: Any, otherwise: Permissions) -> Permissions:
    """What a `permissions` key says. What it does not name is none; without the key it is as outside."""
    if found is None:
        return otherwise
    if not isinstance(found, dict):
        raise NotKnown(f"permissions: {found}")
    only(found, _PERMISSIONS, "permissions")
    if not set(found.values()) <= set(_LEVELS):
        raise WorkflowError(f"Unexpected value in permissions: {found}")
    return {name: level for name, level in found.items() if level != "none"}


def check_granted(job: str, asked: Permissions, granted: Permissions) -> None:
    """A called workflow may not have more than its caller. Raises WorkflowError in GitHub's words."""
    for name, level in asked.items():
        given = granted.get(name, "none")
        if _LEVELS[level] > _LEVELS[given]:
            raise WorkflowError(
                f"The nested job '{job}' is requesting '{name}: {level}', but is only allowed '{name}: {given}'."
            )
