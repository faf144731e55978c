"""A GitHub App: what it signs and to whom it is sent, which tokens it gets, and what is said where it gets none."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import github.Auth
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.github.test_api import whole
from tests.simulator import Hub, apps
from wharf.errors import NotAllowedError, QuotaError, StorageError, UsageError
from wharf.github.api import GitHub
from wharf.github.app_installation import InstallationTokens, requests_of
from wharf.github.app_jwt import App
from wharf.github.clone import TRIES
from wharf.github.remote_branch import RemoteBranch
from wharf.github.renewing_token import EARLY, NO_TOKEN_PAUSE, SOONEST
from wharf.github.replies import Reply
from wharf.github.request_turns import Turns, Waiting
from wharf.repository_address import Address, parse
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulator import Call, Repo
    from wharf.github.wire import Outgoing, Wire
    from wharf.model import Json

HOUR = 3600.0


@dataclass
class World:
    """An app on the simulator, and a repository that it is installed on."""

    hub: Hub
    repo: Repo
    app: apps.App
    installed: apps.Installation
    warned: list[str] = field(default_factory=list)

    @contextmanager
    def open(
        self, *others: str, number: str = "", key: str = "", slug: str = "acme/pkgs", at_most: float = HOUR
    ) -> Iterator[GitHub]:
        """The client's clock goes as the simulator's, but for that of the JWT, which is this machine's."""
        address = parse(f"{self.hub.url}/{slug}")
        assert address is not None
        waiting = Waiting(at_most, clock=self.hub.clock.now, sleep=self.hub.clock.forward)
        named = App(number or str(self.app.id), Secret(key or self.app.pem), "WHARF_APP_ID", others)
        with GitHub(address, named, waiting=waiting, warn=self.warned.append) as opened:
            yield opened

    def asked(self, what: str) -> list[Call]:
        return [call for call in self.hub.calls if what in f"{call.method} {call.path}"]

    @property
    def issued(self) -> int:
        return len([call for call in self.asked("/access_tokens") if call.status == 201])

    def refusal(self, **more: Any) -> NotAllowedError:
        with self.open(**more) as opened, pytest.raises(NotAllowedError) as caught:
            opened.call("GET", "{repo}")
        assert self.app.pem.splitlines()[1] not in whole(caught.value)
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Hub(tmp_path / "hub") as hub:
        repo = hub.create("acme/pkgs")
        hub.create("acme/other")
        app = hub.app()
        yield World(hub, repo, app, app.install("acme", "acme/pkgs"))


@pytest.fixture
def in_step(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """This machine's clock goes as the simulator's, too: hours can pass."""
    monkeypatch.setattr(github.Auth, "time", SimpleNamespace(time=world.hub.clock.now))
    return world


# What is sent.


def test_a_token_for_this_repository_and_contents_alone(world: World) -> None:
    with world.open() as opened:
        assert opened.call("GET", "{repo}").status == 200
        assert opened.call("GET", "{repo}").status == 200
    lines = [f"{call.method} {call.path.removeprefix('/api/v3')}" for call in world.hub.calls]
    assert lines == [
        "GET /repos/acme/pkgs/installation",
        f"POST /app/installations/{world.installed.id}/access_tokens",
        "GET /repos/acme/pkgs",
        "GET /repos/acme/pkgs",
    ]
    (token,) = world.app.tokens()
    assert (token.rights, len(token.secret)) == ({"acme/pkgs": "write"}, 520)
    assert world.hub.calls[-1].headers["authorization"] == f"Bearer {token.secret}"


def test_the_jwt_is_dated_back_and_ends_within_ten_minutes(world: World) -> None:
    with world.open() as opened:
        opened.call("GET", "{repo}")
    jwts = [call.headers["authorization"].removeprefix("Bearer ") for call in world.hub.calls[:2]]
    for jwt in jwts:
        claims = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
        assert set(claims) == {"iat", "exp", "iss"}
        assert claims["iss"] == str(world.app.id)
        assert claims["exp"] - claims["iat"] == 600
        assert -70 < claims["iat"] - world.hub.clock.now() <= -60
    assert all(jwt not in call.headers.get("authorization", "") for call in world.hub.calls[2:] for jwt in jwts)


def test_the_client_id_does_as_well(world: World) -> None:
    with world.open(number=world.app.client_id) as opened:
        assert opened.call("GET", "{repo}").status == 200


def test_an_app_that_may_only_read_gets_a_token_that_reads(world: World) -> None:
    world.installed.permissions = {"contents": "read"}
    with world.open() as opened:
        assert opened.call("GET", "{repo}/git/ref/heads/main").status == 200
        with pytest.raises(NotAllowedError, match="Resource not accessible by integration"):
            opened.call("POST", "{repo}/releases", body={"tag_name": "x"})


def test_the_account_is_the_app_s_bot(world: World) -> None:
    with world.open() as opened:
        account = opened.account()
    assert account is not None
    assert account.login == "wharf-bot[bot]"
    assert account.id is not None


@pytest.mark.parametrize(
    ("host", "api"), [("github.com", "https://api.github.com"), ("ghe.example.org", "https://ghe.example.org/api/v3")]
)
def test_the_jwt_goes_to_the_api_of_the_repository_s_own_host(host: str, api: str) -> None:
    seen: list[Outgoing] = []

    class Line:
        def with_turns(self, _turns: Turns) -> Line:
            return self

        def send(self, asked: Outgoing) -> Reply:
            seen.append(asked)
            return Reply(status=500, headers={})

    app, address = App("1", Secret("x"), "here"), Address(host=host, owner="acme", name="pkgs")
    ask = requests_of(app, lambda: address, lambda: cast("Wire", Line()), Turns(Waiting()))
    with pytest.raises(StorageError, match="GitHub answered 500"):
        InstallationTokens(app, lambda: address, ask).issue()
    assert [(each.method, each.url, each.tokens) for each in seen] == [("GET", f"{api}/repos/acme/pkgs/installation", app)]


@pytest.mark.slow
def test_pygithub_and_cryptography_are_loaded_when_an_app_signs_and_not_before() -> None:
    code = (
        "import sys\n"
        "import wharf.github.api, wharf.github.wire, wharf.repository.credentials\n"
        "from wharf.github.app_jwt import App\n"
        "from wharf.secret import Secret\n"
        "app = App('1', Secret('x'), 'here')\n"
        "heavy = {'github', 'jwt', 'cryptography', 'requests'}\n"
        "assert not heavy & set(sys.modules)\n"
        "try:\n    app.token()\nexcept Exception:\n    pass\n"
        "assert heavy <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Other repositories.


def test_other_repositories_of_the_same_owner_are_reached_by_the_same_token(world: World) -> None:
    assert world.installed.repositories is not None
    world.installed.repositories.add("acme/other")
    with world.open("ACME/other", "acme/pkgs") as opened:
        assert opened.call("GET", "/repos/acme/other").status == 200
    assert world.warned == []
    assert world.issued == 1


def test_what_the_token_does_not_reach_is_told_once_and_the_rest_works(in_step: World) -> None:
    world = in_step
    with world.open("acme/other", "else/where") as opened:
        for _ in range(2):
            assert opened.call("GET", "{repo}").status == 200
            world.hub.clock.forward(HOUR)
    (warned,) = world.warned
    assert "does not reach acme/other, else/where" in warned
    assert all(token.rights == {"acme/pkgs": "write"} for token in world.app.tokens())


def test_a_renamed_repository_is_found_by_its_number(world: World) -> None:
    assert world.installed.repositories is not None
    world.installed.repositories.add("acme/new")
    world.repo.rename("acme/new")
    with world.open() as opened:
        assert opened.call("GET", "{repo}").status == 200
        assert opened.address.slug == "acme/new"
    assert [call.status for call in world.asked("/installation")][:2] == [301, 200]


@pytest.mark.parametrize("location", ["https://evil.example/repositories/1/installation", "/x", "", "http://127.0.0.1:1/x"])
def test_a_redirect_elsewhere_gets_no_jwt(location: str) -> None:
    seen = []

    def ask(method: str, path: str, body: Json = None) -> Reply:
        seen.append(path)
        return Reply(status=301 if len(seen) == 1 else 404, headers={"location": location})

    tokens = InstallationTokens(App("1", Secret("x"), "here"), lambda: Address(owner="acme", name="pkgs"), ask)
    with pytest.raises(StorageError):
        tokens.issue()
    assert seen == ["/repos/acme/pkgs/installation"]


# Renewal.


def test_it_is_renewed_before_it_ends_and_no_request_is_refused(in_step: World) -> None:
    with in_step.open() as opened:
        for _ in range(20):
            assert opened.call("GET", "{repo}").status == 200
            in_step.hub.clock.forward(600)
    assert in_step.issued == 4
    assert all(call.status < 400 for call in in_step.hub.calls)


def test_a_token_that_ends_in_the_middle_is_renewed_once_for_all_threads(in_step: World) -> None:
    world = in_step
    with world.open() as opened:
        reply = opened.call("POST", "{repo}/releases", body={"tag_name": "x", "draft": True})
        assert isinstance(reply.data, dict)
        url = str(reply.data["upload_url"])
        world.hub.clock.forward(SOONEST)
        world.hub.revoke(world.app.tokens()[0].secret)
        world.hub.calls.clear()

        def send(number: int) -> int:
            name = f"demo-{number}.whl"
            return opened.upload(url, name, io.BytesIO(b"x" * 100), 100).status

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(send, range(12))) == [201] * 12
    assert world.issued == 1
    assert len(world.repo.releases[0].assets) == 12
    assert 1 <= sum(call.status == 401 for call in world.hub.calls) <= 6


def test_a_request_that_is_refused_again_and_again_comes_to_an_end(in_step: World) -> None:
    world = in_step
    with world.open() as opened:
        opened.call("GET", "{repo}")
        world.hub.fault("GET /api/v3/repos/acme/pkgs$", "401", times=99)
        world.hub.calls.clear()
        with pytest.raises(NotAllowedError, match="does not know the token"):
            opened.call("GET", "{repo}")
        assert len(world.hub.calls) <= 6
        assert world.issued == 0, "it was made a moment ago: the token is not the cause"


def test_a_download_in_the_middle_gets_the_new_token(in_step: World) -> None:
    world = in_step
    with world.open() as opened:
        reply = opened.call("POST", "{repo}/releases", body={"tag_name": "x", "draft": True})
        assert isinstance(reply.data, dict)
        asset = opened.upload(str(reply.data["upload_url"]), "a.whl", io.BytesIO(b"x"), 1)
        world.hub.clock.forward(SOONEST)
        world.hub.revoke(world.app.tokens()[0].secret)
        assert isinstance(asset.data, dict)
        assert isinstance(asset.data["id"], int)
        with opened.asset(asset.data["id"]) as found:
            assert isinstance(found, str)


def test_an_upload_that_is_done_stays_done_where_the_token_ends_and_cannot_be_renewed(
    in_step: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_step.open() as opened:
        draft = opened.rest.create_release("x", "main", "")
        upload = opened.upload

        def slow(url: str, name: str, file: BinaryIO, size: int) -> Reply:
            done = upload(url, name, file, size)
            in_step.hub.clock.forward(HOUR)
            return done

        monkeypatch.setattr(opened, "upload", slow)
        in_step.hub.fault("GET ", "500", times=99)
        assert opened.rest.upload(draft, "a.whl", io.BytesIO(b"x"), 1).size == 1


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, SOONEST])
def test_git_is_started_again_where_github_does_not_know_the_token(world: World, tmp_path: Path, seconds: float) -> None:
    """It does not know it yet, or it does not any more."""
    with world.open() as opened, RemoteBranch(tmp_path / "cache", "main", opened) as branch:
        opened.call("GET", "{repo}")
        world.hub.clock.forward(seconds)
        world.hub.fault(r"GET /acme/pkgs\.git", "401")
        branch.fetch()
    assert world.issued == (2 if seconds else 1)


@pytest.mark.slow
def test_git_is_not_started_without_end(world: World, tmp_path: Path) -> None:
    with world.open() as opened, RemoteBranch(tmp_path / "cache", "main", opened) as branch:
        world.hub.fault(r"GET /acme/pkgs\.git", "401", times=99)
        with pytest.raises((NotAllowedError, StorageError)):
            branch.fetch()
    assert len([call for call in world.hub.calls if call.kind == "git"]) <= 2 * TRIES


@pytest.mark.parametrize("how", ["502", "drop", "lose", "short"])
def test_a_lost_answer_is_asked_for_again(world: World, how: str) -> None:
    world.hub.fault("POST /api/v3/app/", how)
    with world.open() as opened:
        assert opened.call("GET", "{repo}").status == 200


def test_github_s_absence_is_survived_while_the_old_token_holds(in_step: World) -> None:
    world = in_step
    with world.open() as opened:
        opened.call("GET", "{repo}")
        world.hub.clock.forward(HOUR - EARLY)
        world.hub.fault("/api/v3/app/|/installation", "503", times=99)
        for _ in range(5):
            assert opened.call("GET", "{repo}").status == 200
        (warned,) = world.warned
        assert "could not be renewed" in warned
        world.hub.clock.forward(EARLY)
        with pytest.raises(StorageError, match="GitHub answered 503"):
            opened.call("GET", "{repo}")
        world.hub.faults._faults.clear()
        world.hub.clock.forward(NO_TOKEN_PAUSE)
        assert opened.call("GET", "{repo}").status == 200


def test_a_limit_holds_for_an_app_s_own_requests_too(world: World) -> None:
    world.hub.fault("POST /api/v3/app/", "secondary:30", times=1)
    began = world.hub.clock.now()
    with world.open() as opened:
        assert opened.call("GET", "{repo}").status == 200
    assert world.hub.clock.now() - began >= 30
    world.hub.fault("POST /api/v3/app/", "secondary:30", times=1)
    with world.open(at_most=0.0) as opened, pytest.raises(QuotaError):
        opened.call("GET", "{repo}")


def test_an_app_that_is_removed_is_told_and_may_come_back(in_step: World) -> None:
    world = in_step
    with world.open() as opened:
        opened.call("GET", "{repo}")
        world.hub.clock.forward(SOONEST)
        world.installed.remove()
        for _ in range(3):
            with pytest.raises(NotAllowedError, match="is not installed on"):
                opened.call("GET", "{repo}")
        assert len(world.asked("pkgs/installation")) == 2, "GitHub is asked once in a while"
        world.app.install("acme", everywhere=True)
        world.hub.clock.forward(NO_TOKEN_PAUSE)
        assert opened.call("GET", "{repo}").status == 200


# Why there is none.


def test_an_app_that_is_not_installed_there(world: World) -> None:
    world.installed.remove()
    error = world.refusal()
    assert error.message.startswith(f"The app wharf-bot is not installed on {world.hub.url}/acme/pkgs")
    assert error.hint == f"Open {world.hub.url}/github-apps/wharf-bot/installations/new, choose acme, and select pkgs."
    assert error.doctor


def test_a_suspended_installation(world: World) -> None:
    world.installed.suspend()
    error = world.refusal()
    assert error.message == "The installation of the app wharf-bot on acme is suspended."
    assert error.hint.endswith(f"/organizations/acme/settings/installations/{world.installed.id}.")


def test_an_installation_that_is_suspended_in_that_moment(world: World) -> None:
    world.hub.before("POST /api/v3/app/", world.installed.suspend)
    assert "is suspended" in world.refusal().message


def test_a_missing_permission(world: World) -> None:
    world.installed.permissions = {"issues": "write"}
    error = world.refusal()
    assert "lacks the permission `contents`" in error.message
    assert "Contents: Read and write" in error.hint


def test_an_id_that_is_no_app_s(world: World) -> None:
    error = world.refusal(number="99999999")
    assert error.message.startswith(f"{world.hub.host} knows no app 99999999 (WHARF_APP_ID)")
    assert "App ID" in error.hint


@pytest.mark.slow
def test_a_key_of_another_app(world: World) -> None:
    error = world.refusal(key=world.hub.app("another").pem)
    assert error.message.startswith(f"{world.hub.host} does not accept the key of the app {world.app.id} (WHARF_APP_ID)")
    assert "could not be decoded" in error.message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-300, r"clock is (299|30\d) s ahead of GitHub's"), (700, r"clock is (699|70\d) s behind GitHub's")],
)
def test_a_wrong_clock_is_told_by_github_s(world: World, seconds: float, words: str) -> None:
    world.hub.clock.forward(seconds)
    error = world.refusal()
    assert re.search(words, error.message)
    assert "claim" in error.message, "GitHub's own words are there"
    assert "Set the clock" in error.hint


@pytest.mark.parametrize("seconds", [-55, 300, 500])
def test_a_clock_that_is_a_little_wrong_does_no_harm(world: World, seconds: float) -> None:
    world.hub.clock.forward(seconds)
    with world.open() as opened:
        assert opened.call("GET", "{repo}").status == 200
        world.hub.clock.forward(HOUR - EARLY - 10)
        assert opened.call("GET", "{repo}").status == 200, "how long it holds is told by GitHub's clock alone"
    assert world.issued == 1


@pytest.mark.parametrize("seconds", [-300, 700])
def test_without_a_date_a_wrong_clock_is_told_by_github_s_words(world: World, seconds: float) -> None:
    world.hub.dated = False
    world.hub.clock.forward(seconds)
    error = world.refusal()
    assert "clock may be wrong" in error.message
    assert "Set the clock" in error.hint


def test_without_a_date_a_token_holds_as_long_as_usual(world: World) -> None:
    world.hub.dated = False
    world.hub.clock.forward(500)
    with world.open() as opened:
        opened.call("GET", "{repo}")
        world.hub.clock.forward(HOUR - EARLY - 10)
        opened.call("GET", "{repo}")
    assert world.issued == 1


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2hunter2\n-----END RSA PRIVATE KEY-----\n",
        "ssh-rsa hunter2hunter2",
        "public",
    ],
)
def test_what_cannot_sign_is_told_and_not_shown(world: World, key: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if key == "public":
        key = world.app.public[0].public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(UsageError, match="not the private key of a GitHub App") as caught:
        App("1", Secret(key), "WHARF_APP_KEY").token()
    assert "hunter2" not in whole(caught.value)
    assert world.hub.calls == []


def test_another_kind_of_key_is_told(world: World) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

    curve = ec.generate_private_key(ec.SECP256R1())
    locked = apps.keys().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    der = apps.keys().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    unknown = base64.encodebytes(der.replace(bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01017f")))
    of_no_known_kind = b"-----BEGIN PRIVATE KEY-----\n" + unknown + b"-----END PRIVATE KEY-----\n"
    for data in (curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), locked, of_no_known_kind):
        with pytest.raises(UsageError, match="not the private key of a GitHub App"):
            App("1", Secret(data.decode()), "WHARF_APP_KEY").token()


# Odd answers.

SOUND: dict[str, Json] = {"id": 1, "permissions": {"contents": "write"}, "account": {"login": "acme"}, "suspended_at": None}
GOOD: dict[str, Json] = {"token": "ghs_" + "x" * 36, "expires_at": "2099-01-01T00:00:00Z"}


def answering(found: Json, made: Json, **headers: str) -> InstallationTokens:
    def ask(method: str, path: str, body: Json = None) -> Reply:
        if method == "GET":
            return Reply(status=200, headers={}, data=found)
        return Reply(status=201, headers=headers, data=made)

    return InstallationTokens(App("1", Secret("x"), "here"), lambda: Address(owner="acme", name="pkgs"), ask)


@pytest.mark.parametrize(
    "found",
    [None, [], {}, "x", 1, SOUND | {"id": None}, SOUND | {"id": True}, SOUND | {"id": "1/../2"}, SOUND | {"permissions": None}],
)
def test_an_odd_installation_is_told(found: Json) -> None:
    with pytest.raises(StorageError, match="is not an installation"):
        answering(found, dict(GOOD)).issue()


@pytest.mark.parametrize(
    "made",
    [
        None, [], {}, "x", 1, GOOD | {"token": None}, GOOD | {"token": "a b" * 20}, GOOD | {"token": "short"},
        GOOD | {"token": "x\r\ny: z" + "x" * 30}, GOOD | {"token": "\u00e9" * 30}, GOOD | {"token": "x" * 5000},
        GOOD | {"expires_at": None},
        GOOD | {"expires_at": "soon"}, GOOD | {"expires_at": 1}, GOOD | {"expires_at": "2099-01-01"},
        GOOD | {"expires_at": "2099-01-01T00:00:00"}, {"token": GOOD["token"]},
    ],
)  # fmt: skip
def test_an_odd_token_is_told_and_not_used(made: Json) -> None:
    with pytest.raises(StorageError, match="is not an installation token") as caught:
        answering(dict(SOUND), made, date="Sun, 29 Nov 2026 21:00:00 GMT").issue()
    assert str(GOOD["token"]) not in whole(caught.value)


@pytest.mark.parametrize(
    ("date", "ends", "seconds"),
    [
        ("Sun, 29 Nov 2026 21:00:00 GMT", "2026-11-29T21:30:00Z", 1800),
        ("Sun, 29 Nov 2026 21:00:00 GMT", "2026-11-29T23:30:00+01:00", 3600),
        ("Sun, 29 Nov 2026 21:00:00 GMT", "2199-11-29T21:30:00Z", 3600),
        ("nonsense", "2026-11-29T21:30:00Z", 3600),
    ],
)
def test_how_long_it_holds_is_told_by_the_answer_alone(date: str, ends: str, seconds: float) -> None:
    assert answering(dict(SOUND), GOOD | {"expires_at": ends}, date=date).issue().seconds == seconds


def test_a_token_that_has_ended_already_is_none() -> None:
    with pytest.raises(StorageError, match="still holds"):
        answering(dict(SOUND), dict(GOOD), date="Sun, 29 Nov 2150 21:00:00 GMT").issue()


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def odd(sound: dict[str, Json]) -> st.SearchStrategy[Json]:
    """Any JSON, or a sound answer in which some values are any JSON."""
    parts = st.dictionaries(st.sampled_from([*sound, "html_url", "app_slug", "suspended_at"]), ANY_JSON)
    return ANY_JSON | parts.map(lambda some: {**sound, **some})


@pytest.mark.slow
@given(found=odd(SOUND), made=odd(GOOD), date=st.text(max_size=40) | st.just("Sun, 29 Nov 2026 21:00:00 GMT"))
def test_whatever_is_answered_is_a_token_or_an_error_of_ours(found: Json, made: Json, date: str) -> None:
    try:
        issued = answering(found, made, date=date).issue()
    except (StorageError, NotAllowedError):
        return
    assert 0 < issued.seconds <= HOUR
    assert re.fullmatch("[!-~]+", issued.token.reveal())


def test_pages_on_other_hosts_are_not_shown() -> None:
    found = SOUND | {"suspended_at": "2026-01-01T00:00:00Z", "html_url": "https://evil.example/x"}
    with pytest.raises(NotAllowedError) as caught:
        answering(found, dict(GOOD)).issue()
    assert "evil" not in caught.value.hint
