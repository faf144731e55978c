"""The runner of workflows in `tests/actions` itself: it must do as GitHub's does, and pass over nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.actions import Actions, NotKnown, WorkflowError, emulated, files
from tests.actions.expressions import Scope, Strict, condition, value
from tests.actions.groups import Groups
from tests.simulator import Hub, plumbing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.actions import Run

CONTEXTS: dict[str, Any] = {
    "github": Strict(ref="refs/tags/v1", event_name="push"),
    "inputs": Strict(name="Ada", none="", yes=True),
    "steps": {"one": {"outputs": {"a-b": "x"}}},
    "list": ["a", "b"],
}
FLOW = ".github/workflows/one.yml"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("${{ 'it''s' }}", "it's"),
        ("${{ inputs.none || 'other' }}", "other"),
        ("${{ inputs.name && 'both' }}", "both"),
        ("${{ inputs.none && 'both' }}", ""),
        ("${{ inputs.yes }}", True),
        ("${{ !inputs.yes || false }}", False),
        ("a ${{ inputs.yes }} ${{ 1.0 }}", "a true 1"),
        ("${{ 'A' == 'a' }}", True),
        ("${{ '1' == 1 }}", True),
        ("${{ null == 0 }}", True),
        ("${{ 2 > 1 && 1 <= 1 }}", True),
        ("${{ (1 == 2) == false }}", True),
        ("${{ steps.one.outputs.a-b }}", "x"),
        ("${{ steps.one.outputs['a-b'] }}", "x"),
        ("${{ steps.two.outputs.b }}", None),
        ("${{ list[1] }}", "b"),
        ("${{ contains(list, 'B') && startsWith(github.ref, 'refs/tags/') && endsWith('abc', 'C') }}", True),
        ("${{ format('{0} {{}} {1}', 'a', 2) }}", "a {} 2"),
        ("${{ join(list, '-') }}", "a-b"),
        ("${{ fromJSON('{\"a\": [1]}').a[0] }}", 1),
        ("${{ toJSON(list) }}", '[\n  "a",\n  "b"\n]'),
        ("no expression", "no expression"),
    ],
)
def test_expressions_are_evaluated_as_github_does(source: str, wanted: object) -> None:
    assert value(source, Scope(CONTEXTS)) == wanted


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("${{ github.reff }}", NotKnown),
        ("${{ secret.x }}", WorkflowError),
        ("${{ hashFiles('a') }}", NotKnown),
        ("${{ 'a }}", WorkflowError),
        ("${{ 1 2 }}", WorkflowError),
        ('${{ "a" }}', WorkflowError),
        ("${{ list.*.a }}", NotKnown),
        ("${{ success() }}", WorkflowError),
    ],
)
def test_what_is_no_expression_here_is_an_error(source: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        value(source, Scope(CONTEXTS))


def test_a_condition_asks_for_success_unless_it_asks_otherwise() -> None:
    failed = Scope(CONTEXTS, {"success": False, "failure": True, "always": True, "cancelled": False}.__getitem__)
    assert not condition(None, failed)
    assert not condition("github.event_name == 'push'", failed)
    assert condition("failure()", failed)
    assert condition("${{ always() && github.event_name == 'push' }}", failed)
    assert condition("!cancelled()", failed)


@pytest.fixture
def actions(tmp_path: Path) -> Iterator[Actions]:
    with Hub(tmp_path / "hub") as hub:
        hub.create("acme/demo", private=False)
        yield Actions(hub, tmp_path / "runs", {"PATH": "/usr/bin:/bin"})


def ran(actions: Actions, flow: str, **more: str) -> Run:
    repo = actions.hub.find("acme/demo")
    assert repo is not None
    tip = plumbing.read_ref(repo.git_dir, "refs/heads/main")
    texts = [(FLOW, flow.encode()), *((f".github/{name}.yml", text.encode()) for name, text in more.items())]
    plumbing.commit_files(repo.git_dir, "main", tip, "A workflow", "ada", 0.0, additions=texts)
    runs = actions.event("acme/demo", "push")
    return next(run for run in runs if run.workflow == FLOW)


def test_outputs_environment_and_paths_go_from_step_to_step(actions: Actions) -> None:
    run = ran(
        actions,
        """\
on: push
env: {TOP: top}
jobs:
  one:
    runs-on: x
    env: {A: job}
    outputs: {many: "${{ steps.s.outputs.many }}", got: "${{ steps.t.outputs.got }}"}
    steps:
      - id: s
        run: |
          printf 'many<<END\\n1\\n2\\nEND\\n' >> "$GITHUB_OUTPUT"
          echo "B=written" >> "$GITHUB_ENV"
          echo "$RUNNER_TEMP/bin" >> "$GITHUB_PATH"
          mkdir "$RUNNER_TEMP/bin"
          printf '#!/bin/sh\\necho mine\\n' > "$RUNNER_TEMP/bin/tool"
          chmod +x "$RUNNER_TEMP/bin/tool"
      - id: t
        env: {A: step}
        run: echo "got=$A $B $TOP $(tool) ${{ env.B }} $GITHUB_REPOSITORY" >> "$GITHUB_OUTPUT"
""",
    )
    assert run.result == "success", run.text
    assert run["one"].outputs == {"many": "1\n2", "got": "step written top mine written acme/demo"}


def test_a_failed_step_ends_the_job_but_for_those_that_ask(actions: Actions) -> None:
    run = ran(
        actions,
        """\
on: push
jobs:
  one:
    runs-on: x
    steps:
      - run: "false | true"
      - run: echo not this
      - if: failure()
        run: echo but this
  two:
    needs: one
    runs-on: x
    steps: [{run: echo never}]
  three:
    needs: [one, two]
    if: always()
    runs-on: x
    steps: [{run: "echo ${{ needs.one.result }} ${{ needs.two.result }}"}]
""",
    )
    assert [step.outcome for step in run["one"].steps] == ["failure", "skipped", "success"]
    assert "two" not in run.jobs
    assert "failure skipped" in run["three"].log
    assert run.result == "failure"


def test_secrets_are_masked_and_commands_obeyed(actions: Actions) -> None:
    actions.secrets["acme/demo"] = {"KEY": "very-secret"}
    run = ran(
        actions,
        """\
on: push
jobs:
  one:
    runs-on: x
    steps:
      - env: {KEY: "${{ secrets.KEY }}", TOKEN: "${{ github.token }}"}
        run: |
          echo "$KEY $TOKEN"
          echo "::warning title=a%3Ab::one%0Atwo"
          echo "::stop-commands::0123456789abcdef0123456789abcdef"
          echo "::error::not heard"
          echo "::0123456789abcdef0123456789abcdef::"
          echo "::error::heard"
""",
    )
    assert "*** ***" in run["one"].log
    assert [(each.kind, each.title, each.message) for each in run["one"].annotations] == [
        ("warning", "a:b", "one\ntwo"),
        ("error", "", "heard"),
    ]


@pytest.mark.parametrize(
    ("permissions", "status"), [("{contents: write}", "201"), ("{contents: read}", "403"), ("{pages: write}", "403")]
)
def test_the_jobs_token_may_do_what_its_permissions_say_and_only_while_it_runs(
    actions: Actions, permissions: str, status: str
) -> None:
    run = ran(
        actions,
        f"""\
on: push
permissions: {permissions}
jobs:
  one:
    runs-on: x
    outputs: {{status: "${{{{ steps.s.outputs.status }}}}"}}
    steps:
      - id: s
        env: {{TOKEN: "${{{{ secrets.GITHUB_TOKEN }}}}"}}
        run: |
          status=$(curl -s -o /dev/null -w '%{{http_code}}' -X POST -H "Authorization: Bearer $TOKEN" \\
            -d '{{"tag_name": "a", "target_commitish": "main"}}' "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/releases")
          echo "status=$status" >> "$GITHUB_OUTPUT"
""",
    )
    assert run["one"].outputs == {"status": status}, run.text
    assert run["one"].token not in actions.hub.tokens


@pytest.mark.slow
def test_a_called_workflow_has_its_own_inputs_secrets_and_outputs(actions: Actions) -> None:
    called = """\
on:
  workflow_call:
    inputs:
      word: {type: string, required: true}
      loud: {type: boolean, default: false}
    secrets: {key: {required: true}}
    outputs: {said: {value: "${{ jobs.say.outputs.said }}"}}
jobs:
  say:
    runs-on: x
    outputs: {said: "${{ steps.s.outputs.said }}"}
    steps:
      - id: s
        env: {WORD: "${{ inputs.word }}", LENGTH: "${{ secrets.key == 'k1' }}"}
        run: echo "said=$WORD $LENGTH ${{ inputs.loud }} ${{ job.workflow_repository }}" >> "$GITHUB_OUTPUT"
"""
    caller = """\
on: push
jobs:
  call:
    uses: $/.github/called.yml
    with: {word: "${{ github.event_name }}"}
    secrets: {key: "${{ secrets.KEY }}"}
  after:
    needs: call
    runs-on: x
    steps: [{run: "echo it said ${{ needs.call.outputs.said }}"}]
"""
    actions.secrets["acme/demo"] = {"KEY": "k1"}
    run = ran(actions, caller, called=called)
    assert run.result == "success", run.text
    assert "it said push true false acme/demo" in run["after"].log
    del actions.secrets["acme/demo"]
    assert "Secret key is required" in ran(actions, caller).error
    assert "not defined" in ran(actions, caller.replace("{word:", "{wrod: a, word:")).error
    assert "is required" in ran(actions, caller.replace("    with: {word", "    with: {}\n    #")).error


@pytest.mark.parametrize(
    "job",
    [
        "{runs-on: x, strategy: {matrix: {a: [1]}}, steps: []}",
        "{runs-on: x, container: a, steps: []}",
        "{runs-on: x, steps: [{run: a, shell: pwsh}]}",
        "{runs-on: x, steps: [{run: a, timeout: 5}]}",
        "{runs-on: x, steps: [{uses: 'someone/unknown@v1'}]}",
        "{runs-on: x, steps: [{uses: 'actions/checkout@v4'}]}",
        f"{{runs-on: x, steps: [{{uses: 'actions/checkout@{emulated.KNOWN['actions/checkout'].sha}', with: {{lfs: 1}}}}]}}",
        "{runs-on: x, steps: [{run: 'echo ::set-output name=a::b'}]}",
    ],
)
def test_what_is_not_known_is_an_error(actions: Actions, job: str) -> None:
    with pytest.raises(NotKnown):
        ran(actions, f"on: push\njobs:\n  one: {job}\n")


def test_permissions_are_compared_level_by_level() -> None:
    files.check_granted("a", {"contents": "read"}, {"contents": "write"})
    for asked, granted in (({"contents": "write"}, {"contents": "read"}), ({"pages": "read"}, {"contents": "write"})):
        with pytest.raises(WorkflowError, match="The nested job 'a' is requesting"):
            files.check_granted("a", asked, granted)
    assert files.permissions({}, {"contents": "read"}) == {}
    assert files.permissions(None, {"contents": "read"}) == {"contents": "read"}


def test_of_those_that_wait_in_a_group_the_newest_stays() -> None:
    groups, order, started, go = Groups(), list[str](), threading.Event(), threading.Event()

    def job(name: str) -> bool:
        with groups.turn("acme/demo", "g") as mine:
            if mine:
                order.append(name)
                started.set()
                assert go.wait(60)
        return mine

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(job, "first")
        assert started.wait(60)
        second = pool.submit(job, "second")
        while not groups.waiting("acme/demo", "g"):
            pass
        third = pool.submit(job, "third")
        assert second.result(60) is False
        go.set()
        assert first.result(60)
        assert third.result(60)
    assert order == ["first", "third"]
