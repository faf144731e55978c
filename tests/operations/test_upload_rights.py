"""`[upload]`: every kind of GitHub token, every verb, and who may change it. GitHub is asked as seldom as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.matrix import first
from tests.server.over_github import World, _quick, world
from tests.server.running import soon
from tests.server.test_server import form
from tests.simulator import plumbing
from wharf.errors import MayNotWriteError, NotAllowedError, StorageError
from wharf.github.api import GitHub
from wharf.index import wharf_toml
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations import manage_indexes
from wharf.operations.index_settings import set_settings
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.upload_rights import HOLDS, NO_LIMITS, GitHubRights, KeptAnswers, rights_of
from wharf.operations.yank import set_yanked
from wharf.repository_address import parse
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from wharf.repository.opening import Repository

__all__ = ["_quick", "world"]

ORG: Final = "repo, read:org"
ALL: Final = wharf_toml.KEYS_OF_RIGHTS


def settings(*uploaders: str, glob: str = "*") -> wharf_toml.IndexSettings:
    return wharf_toml.IndexSettings(upload=(wharf_toml.UploadRule(glob, uploaders),))


def settle(world: World, text: str, login: str = "root") -> None:
    """The index has these settings from now on, and the server's own copy does not know it yet."""
    tip = plumbing.refs(world.repo.git_dir)["refs/heads/wharf/main"]
    data = wharf_toml.NEW + text.encode()
    plumbing.commit_files(
        world.repo.git_dir, "wharf/main", tip, "Settings", login, world.hub.clock.now(), additions=[("wharf.toml", data)]
    )


def client(world: World, token: str) -> GitHub:
    place = parse(f"{world.hub.url}/acme/pkgs")
    assert place is not None
    return GitHub(place, Secret(token))


def made(world: World, kind: str) -> str:
    """A token that may write, of each kind."""
    hub, write = world.hub, {"acme/pkgs": "write"}
    hub.create("acme/other")
    hub.teams = {"acme/platform": {"dave": "active", "erin": "pending"}}
    return {
        "classic": lambda: hub.token("carol", write),
        "fine-grained": lambda: hub.token("carol", write, kind="fine-grained"),
        "member": lambda: hub.token("dave", write, scopes=ORG),
        "member, fine-grained": lambda: hub.token("Dave", write, kind="fine-grained", members=True),
        "not yet a member": lambda: hub.token("erin", write, scopes=ORG),
        "no member": lambda: hub.token("carol", write, scopes=ORG),
        "job": lambda: hub.token("github-actions", write, kind="actions"),
        "job elsewhere": lambda: hub.token("github-actions", {"acme/other": "write"}, kind="actions"),
        "app": lambda: hub.token("wharf-bot", write, kind="installation"),
        "app for two": lambda: hub.token("wharf-bot", {**write, "acme/other": "read"}, kind="installation"),
    }[kind]()


# A token, what [upload] names, and whether the token is one of them.
TABLE: Final[list[tuple[str, tuple[str, ...], bool]]] = [
    ("classic", ("carol",), True),
    ("classic", ("alice", "CAROL"), True),
    ("classic", ("alice",), False),
    ("classic", (), False),
    ("classic", ("repo:acme/pkgs",), False),
    ("classic", ("carol[bot]",), False),
    ("fine-grained", ("carol",), True),
    ("fine-grained", ("alice",), False),
    ("member", ("@acme/platform",), True),
    ("member", ("@ACME/Platform", "alice"), True),
    ("member", ("@acme/design",), False),
    ("member, fine-grained", ("@acme/design", "@acme/platform"), True),
    ("not yet a member", ("@acme/platform",), False),
    ("no member", ("@acme/platform",), False),
    ("job", ("repo:acme/pkgs",), True),
    ("job", ("repo:Acme/Pkgs",), True),
    ("job", ("repo:acme/other",), False),
    ("job", ("github-actions[bot]",), True),
    ("job", ("github-actions", "@acme/platform"), False),
    ("job elsewhere", ("repo:acme/pkgs",), False),
    ("job elsewhere", ("repo:acme/other",), True),
    ("app", ("wharf-bot[bot]",), True),
    ("app", ("wharf-bot",), False),
    ("app", ("repo:acme/pkgs",), True),
    ("app for two", ("repo:acme/pkgs",), False),
    ("app for two", ("repo:acme/other",), False),
    ("app for two", ("wharf-bot[bot]",), True),
]


@pytest.mark.parametrize(("kind", "uploaders", "may"), TABLE)
def test_whom_upload_names(world: World, kind: str, uploaders: tuple[str, ...], may: bool) -> None:
    with client(world, made(world, kind)) as github:
        check = GitHubRights(github)
        if may:
            check(settings(*uploaders), ["demo"])
        else:
            with pytest.raises(MayNotWriteError, match="may not write demo here"):
                check(settings(*uploaders), ["demo"])


def test_a_project_without_a_rule_costs_no_question(world: World) -> None:
    world.hub.calls.clear()
    with client(world, world.alice) as github:
        GitHubRights(github)(settings("grace", glob="acme-*"), ["demo", "other"])
        GitHubRights(github)(wharf_toml.IndexSettings(), ["demo"])
        GitHubRights(github).of_settings(wharf_toml.IndexSettings(), ALL)
    assert world.hub.calls == []


def test_the_first_rule_that_matches_decides_for_each_project(world: World) -> None:
    rules = wharf_toml.IndexSettings(
        upload=(wharf_toml.UploadRule("acme-core", ("grace",)), wharf_toml.UploadRule("acme-*", ("alice",)))
    )
    with client(world, world.alice) as github:
        check = GitHubRights(github)
        check(rules, ["acme-tool", "demo"])
        with pytest.raises(MayNotWriteError, match="alice may not write acme-core here"):
            check(rules, ["acme-tool", "acme-core"])


def test_a_team_is_asked_about_at_most_once_a_minute(world: World) -> None:
    token = made(world, "member")
    now = [1000.0]
    with client(world, token) as github:
        check = GitHubRights(github, kept=KeptAnswers(lambda: now[0]))
        world.hub.calls.clear()
        for _ in range(3):
            check(settings("@acme/platform"), ["demo"])
        assert world.asked("/memberships/") == 1
        del world.hub.teams["acme/platform"]["dave"]
        now[0] += HOLDS - 1
        check(settings("@acme/platform"), ["demo"])
        now[0] += 1
        with pytest.raises(MayNotWriteError):
            check(settings("@acme/platform"), ["demo"])
        world.hub.teams["acme/platform"]["dave"] = "active"
        with pytest.raises(MayNotWriteError):
            check(settings("@acme/platform"), ["demo"])
        now[0] += HOLDS
        check(settings("@acme/platform"), ["demo"])


@pytest.mark.parametrize(
    ("kind", "where", "uploader"),
    [
        ("classic", "/user", "carol"),
        ("no member", "/memberships/", "@acme/platform"),
        ("job", "/installation/", "repo:acme/pkgs"),
    ],
)
def test_nobody_writes_because_github_is_away(world: World, kind: str, where: str, uploader: str) -> None:
    token = made(world, kind)
    with client(world, token) as github:
        github._turns.waiting = type(github._turns.waiting)(0.0, sleep=lambda _seconds: None)
        check = GitHubRights(github)
        world.hub.fault(where, "503", times=50)
        with pytest.raises(StorageError):
            check(settings(uploader), ["demo"])
        world.hub.faults.__init__()  # type: ignore[misc]
        if kind != "no member":
            check(settings(uploader), ["demo"])  # an error is not kept


def test_a_team_that_cannot_be_asked_about_is_said_to_be_one(world: World) -> None:
    with client(world, made(world, "fine-grained")) as github:
        check = GitHubRights(github)
        check(settings("@acme/platform", "carol"), ["demo"])  # the account alone decides
        with pytest.raises(MayNotWriteError, match="Whether carol is in @acme/platform cannot be asked") as caught:
            check(settings("@acme/platform"), ["demo"])
        assert "read:org" in caught.value.hint


def test_a_team_is_asked_about_by_the_server_where_it_has_a_token(world: World) -> None:
    with client(world, made(world, "member")) as server, client(world, world.hub.token("dave", {"acme/pkgs": "write"})) as his:
        with pytest.raises(MayNotWriteError):
            GitHubRights(his)(settings("@acme/platform"), ["demo"])
        GitHubRights(his, asks=server)(settings("@acme/platform"), ["demo"])


def test_without_a_token_nobody_is_known(world: World) -> None:
    place = parse(f"{world.hub.url}/acme/pkgs")
    assert place is not None
    with GitHub(place, None) as github, pytest.raises(MayNotWriteError, match="does not tell whose token"):
        GitHubRights(github)(settings("alice"), ["demo"])


@pytest.mark.parametrize(("level", "may"), [("read", False), ("write", False), ("maintain", True), ("admin", True)])
def test_who_may_change_the_settings_of_rights(world: World, level: str, may: bool) -> None:
    with client(world, world.hub.token("carol", {"acme/pkgs": level})) as github:
        check = GitHubRights(github)
        check.of_settings(wharf_toml.IndexSettings(bases=("dev",)), ["upload"])  # there is no [upload] yet
        if may:
            check.of_settings(settings("grace"), ["upload"])
        else:
            with pytest.raises(MayNotWriteError, match="may be changed by the roles maintain and admin of"):
                check.of_settings(settings("carol"), ["upload"])


def test_another_order_of_the_rules_is_another_right(world: World) -> None:
    settle(world, '[upload]\n"demo*" = []\n"*" = ["alice"]\n')
    with (
        world.open(world.alice, "hers") as hers,
        pytest.raises(MayNotWriteError, match=r"upload in wharf\.toml may be changed by"),
    ):
        set_settings(hers, (parse_setting('upload={"*"=["alice"], "demo*"=[]}'),))


@pytest.mark.slow
@pytest.mark.parametrize("text", first(1, ['[upload]\n"*" = "nobody"\n', "policy = 1\n", "[["]))
def test_an_index_with_settings_that_cannot_be_read_is_removed_by_maintainers_only(world: World, text: str) -> None:
    settle(world, text)
    with (
        world.open(world.alice, "hers") as hers,
        pytest.raises(MayNotWriteError, match=r"because its wharf\.toml cannot be read"),
    ):
        manage_indexes.remove(hers)
    with world.open(world.hub.token("grace", {"acme/pkgs": "maintain"}), "graces") as graces:
        commit = manage_indexes.remove(graces)
    assert plumbing.refs(world.repo.git_dir)["refs/wharf/removed/main"] == commit


def test_a_store_in_a_folder_has_no_limits(repository: Repository) -> None:
    check = rights_of(repository)
    assert check is NO_LIMITS
    check(settings("grace"), ["demo"])
    check.of_settings(settings("grace"), ALL)


# The verbs

VERBS: Final[dict[str, Callable[[Repository, World], object]]] = {
    "publish": lambda opened, world: publish(opened, [Input.of(world.wheel("demo", "2.0"))]),
    "publish a dry run": lambda opened, world: publish(opened, [Input.of(world.wheel("demo", "2.0"))], dry_run=True),
    "publish known bytes": lambda opened, world: publish(opened, [Input.of(world.wheel())]),
    "yank": lambda opened, _: set_yanked(opened, "demo", "1.0", None, reason="x"),
    "unyank": lambda opened, _: set_yanked(opened, "demo", "1.0", None, reason=None),
    "remove": lambda opened, _: remove(opened, "demo", "1.0", None, reason="x"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "kind", "may"),
    first(
        3,
        [
            ("publish", "classic", False),
            ("remove", "classic", False),
            ("yank", "job", True),
            *(
                (verb, kind, kind != "classic")
                for verb in VERBS
                for kind in ("classic", "member", "job", "app")
                if (verb, kind) not in {("publish", "classic"), ("remove", "classic"), ("yank", "job")}
            ),
        ],
    ),
)
def test_each_verb_with_each_kind_of_token(world: World, verb: str, kind: str, may: bool) -> None:
    token = made(world, kind)
    settle(world, '[upload]\n"demo" = ["@acme/platform", "repo:acme/pkgs"]\n')
    before = plumbing.refs(world.repo.git_dir)["refs/heads/wharf/main"]
    with world.open(token, "theirs") as opened:
        if may:
            VERBS[verb](opened, world)
        else:
            with pytest.raises(MayNotWriteError, match="carol may not write demo here"):
                VERBS[verb](opened, world)
            assert plumbing.refs(world.repo.git_dir)["refs/heads/wharf/main"] == before
            assert [each.tag_name for each in world.repo.releases] == ["demo-1.0"]


@pytest.mark.slow
def test_bytes_that_a_dead_removal_left_are_not_deleted_by_somebody_without_the_right(world: World) -> None:
    with world.open(world.alice, "hers") as opened:
        remove(opened, "demo", "1.0", None, reason="x")
    settle(world, '[upload]\n"demo" = ["alice"]\n')
    with world.open(made(world, "classic"), "theirs") as opened, pytest.raises(MayNotWriteError):
        remove(opened, "demo", "1.0", None, reason="x")
    with world.open(world.alice, "hers") as opened:
        again = remove(opened, "demo", "1.0", None, reason="x")
    assert (again.commit, again.removed, len(again.gone)) == (None, (), 1)


@pytest.mark.slow
def test_a_right_that_ends_between_the_plan_and_the_commit_is_gone(world: World) -> None:
    settle(world, '[upload]\n"demo" = ["carol"]\n')
    token = made(world, "classic")
    taken: list[int] = []

    def take() -> None:
        taken.append(1)
        settle(world, '[upload]\n"demo" = ["alice"]\n')

    with world.open(token, "theirs") as opened:
        world.hub.before("git-receive-pack", take)
        with pytest.raises(MayNotWriteError, match="carol may not write demo"):
            publish(opened, [Input.of(world.wheel("demo", "2.0"))])
    assert taken
    with world.open(world.alice, "hers") as opened:
        assert opened.branch.snapshot().overview() == {"demo": ("1.0",)}


@pytest.mark.slow
def test_without_upload_a_publish_asks_no_more_than_before(world: World) -> None:
    with world.open(world.alice, "hers") as opened:
        world.hub.calls.clear()
        publish(opened, [Input.of(world.wheel("demo", "2.0"))])
    asked = [call.path for call in world.hub.calls if call.kind == "api"]
    assert not any("/user" in path or "/memberships" in path or "/installation" in path for path in asked)


# Uploads


def upload(world: World, served: httpx.Client, token: str, name: str = "demo", version: str = "2.0") -> httpx.Response:
    return served.post("/legacy/", auth=("x", token), **form(world.wheel(name, version)))


@pytest.mark.slow
def test_a_server_lets_upload_whom_the_index_names(world: World) -> None:
    settle(world, '[upload]\n"demo" = ["alice", "repo:acme/pkgs"]\n')
    with world.serving() as served:
        carol = made(world, "classic")
        refused = upload(world, served, carol)
        assert refused.status_code == 403
        assert "carol may not write demo here: by [upload] in wharf.toml, alice, repo:acme/pkgs may." in refused.text
        assert upload(world, served, carol, "other", "1.0").status_code == 200
        assert upload(world, served, made(world, "job"), version="3.0").status_code == 200
        assert upload(world, served, world.alice).status_code == 200
        known = upload(world, served, carol)
        assert known.status_code == 403  # the same bytes are there now, and that is not the reason to say yes


@pytest.mark.slow
def test_who_left_a_team_uploads_for_a_minute_at_most(world: World) -> None:
    settle(world, '[upload]\n"*" = ["@acme/platform"]\n')
    dave = made(world, "member")
    world.robot = world.hub.token("robot", {"acme/pkgs": "read"}, scopes=ORG)
    his = world.hub.token("dave", {"acme/pkgs": "write"})  # it may not ask about teams itself
    with world.serving() as served:
        for number, token in enumerate((dave, his)):
            assert upload(world, served, token, version=f"2.{number}").status_code == 200
        assert {call.login for call in world.hub.calls if "/memberships/" in call.path} == {"robot"}
        assert world.asked("/memberships/") == 1
        world.hub.teams.clear()
        world.hub.clock.forward(HOLDS)
        assert upload(world, served, his, version="2.9").status_code == 403
    with world.open(world.alice, "hers") as opened:
        assert "2.9" not in opened.branch.snapshot().overview()["demo"]


@pytest.mark.slow
def test_a_wharf_token_over_github_has_its_limits_and_the_rights_of_the_server(world: World) -> None:
    from wharf.repository.tokens import NewToken

    settle(world, '[upload]\n"demo" = ["alice"]\n"acme-*" = ["grace"]\n')
    rules: dict[str, Any] = {"by_github": False, "open_reading": False}
    with world.open(world.alice) as opened:
        free = opened.tokens.create("ci", "publish").reveal()
        limited = opened.tokens.add(NewToken(name="tool", scope="publish", projects=["tool"])).reveal()
    with world.serving(world.alice, wait=False, **rules) as served:
        soon(lambda: served.get("/healthz").json()["status"] == "ok")
        assert upload(world, served, free).status_code == 200
        refused = upload(world, served, free, "acme-x", "1.0")
        assert (refused.status_code, "alice may not write acme-x here" in refused.text) == (403, True)
        refused = upload(world, served, limited, version="3.0")
        assert (refused.status_code, "The token 'tool' may write tool, and not demo." in refused.text) == (403, True)
        assert upload(world, served, limited, "tool", "1.0").status_code == 200


def test_a_refusal_is_one_of_rights() -> None:
    assert issubclass(MayNotWriteError, NotAllowedError)
    assert MayNotWriteError("x").http_status == 403
