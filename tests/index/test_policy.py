"""Which files a policy hides, why, and until when: example by example, and against a plain model."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from wharf.errors import StorageError
from wharf.index import policy
from wharf.index.policy import Policy, PolicyException
from wharf.index.policy_rules import RULES
from wharf.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ACTIVE = Status()


@dataclass(frozen=True)
class Some:
    """A file, with all that a policy looks at."""

    filename: str = "demo-1.0-py3-none-any.whl"
    version: str = "1.0"
    size: int | None = 1000
    yanked: str | None = None
    since: datetime | None = NOW - 100 * DAY


def of(text: str) -> Policy:
    """The policy that a `wharf.toml` says."""
    return policy.parse(tomllib.loads(f"[policy]\n{text}")["policy"])


def why(text: str, file: Some | None = None, name: str = "demo", status: Status = ACTIVE, at: datetime = NOW) -> str | None:
    """The rule that hides a file, None if it is shown."""
    verdict = of(text).judge(name, status, [file or Some()], at)
    assert len(verdict.shown) + len(verdict.hidden) == 1
    return verdict.hidden[0].rule.removeprefix("policy.") if verdict.hidden else None


@pytest.mark.parametrize(
    ("patterns", "name", "version", "hidden"),
    [
        ('"demo"', "demo", "1.0", True),
        ('"Demo_X"', "demo-x", "1.0", True),
        ('"demo"', "demo-x", "1.0", False),
        ('"de*"', "demo", "1.0", True),
        ('"demo==1.0.0"', "demo", "1.0", True),
        ('"demo == 1.*"', "demo", "1.9", True),
        ('"demo<2,>=1.5"', "demo", "1.9", True),
        ('"demo<2,>=1.5"', "demo", "1.4", False),
        ('"demo!=1.0"', "demo", "1.1", True),
        ('"demo>=1"', "demo", "2.0rc1", True),
        ('"*<1"', "other", "0.9", True),
        ('"demo==1.0"', "demo", "1.0+cu128", True),
        ('"demo<2"', "demo", "no version", True),
        ('"x", "demo<2", "demo"', "demo", "3", True),
        ("", "demo", "1.0", False),
    ],
)
def test_what_is_denied(patterns: str, name: str, version: str, hidden: bool) -> None:
    found = why(f"deny = [{patterns}]", Some(version=version), name)
    assert found == ("deny" if hidden else None)


@pytest.mark.parametrize(
    ("patterns", "version", "shown"),
    [
        ('"demo"', "1.0", True),
        ('"demo<2"', "2.0", False),
        ('"demo<2"', "odd", False),
        ('"other"', "1.0", False),
        ("", "1.0", False),
    ],
)
def test_if_there_is_a_list_of_what_is_allowed_nothing_else_is(patterns: str, version: str, shown: bool) -> None:
    assert why(f"allow = [{patterns}]", Some(version=version)) == (None if shown else "allow")


def test_states_of_projects_that_are_hidden() -> None:
    text = 'status = ["archived", "quarantined"]'
    found = {marker: why(text, status=Status(marker=marker)) for marker in ("active", "archived", "deprecated", "of tomorrow")}
    assert found == {"active": None, "archived": "status", "deprecated": None, "of tomorrow": "status"}


def test_yanked_files_and_sdists() -> None:
    assert why("yanked = false", Some(yanked="")) == "yanked"
    assert why("yanked = false") is None
    assert why("yanked = true", Some(yanked="bad")) is None
    assert why("sdists = false", Some("demo-1.0.tar.gz")) == why("sdists = false", Some("demo-1.0.zip")) == "sdists"
    assert why("sdists = false") is None


def test_sizes() -> None:
    assert [why('size = "1kB"', Some(size=size)) for size in (0, 1000, 1001, None)] == [None, None, "size", "size"]
    assert [of(f'size = "2{unit}"').size for unit in ("B", "MB", "KiB", "GiB")] == [2, 2_000_000, 2048, 2 << 30]


@pytest.mark.parametrize("at", ['"2026-11-20"', "2026-11-20", '"2026-11-20T00:00:00Z"', "2026-11-20T02:00:00+02:00"])
def test_what_is_newer_than_a_moment(at: str) -> None:
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    found = [why(f"newest = {at}", Some(since=since)) for since in (moment, moment + timedelta.resolution, None)]
    assert found == [None, "newest", "newest"]


def test_what_is_younger_than_a_cooldown_and_until_when() -> None:
    old, new = Some(since=NOW - 7 * DAY), Some("new.whl", since=NOW - 7 * DAY + timedelta.resolution)
    verdict = of('cooldown = "7d"').judge("demo", ACTIVE, [old, new], NOW)
    assert verdict.shown == (old,)
    assert (verdict.hidden[0].reason, verdict.hidden[0].until) == ("it is younger than 7 days", NOW + timedelta.resolution)
    assert verdict.until == NOW + timedelta.resolution
    assert of('cooldown = "1w"').judge("demo", ACTIVE, [old, new], verdict.until).until is None
    unknown = of('cooldown = "1h"').judge("demo", ACTIVE, [Some(since=None)], NOW)
    assert (unknown.hidden[0].reason, unknown.until) == ("nobody says how old it is", None)


def test_a_time_in_the_future_is_younger_than_anything() -> None:
    future = Some(since=NOW + DAY)
    verdict = of('newest = "2030-01-01"').judge("demo", ACTIVE, [future], NOW)
    assert [each.rule for each in verdict.hidden] == ["policy.newest"]
    assert verdict.until == NOW + DAY
    assert why('newest = "2030-01-01"', future, at=NOW + DAY) is None
    assert why('cooldown = "1h"', Some(since=datetime.max.replace(tzinfo=UTC))) == "cooldown"


def test_of_several_rules_the_first_is_told() -> None:
    every = {
        "deny": '["demo"]', "allow": "[]", "status": '["archived"]', "yanked": "false", "sdists": "false", "size": '"1B"',
        "newest": '"2020-01-01"', "cooldown": '"9w"',
    }  # fmt: skip
    file = Some("demo-1.0.tar.gz", yanked="", since=NOW)
    for number, rule in enumerate(RULES):
        left = [f"{key} = {value}" for key, value in every.items() if RULES.index(key) >= number]
        assert why("\n".join(left), file, status=Status(marker="archived")) == rule


def test_an_exception_lifts_its_rules_for_its_names_until_its_day() -> None:
    text = """cooldown = "7d"
sdists = false
[[policy.exception]]
names = ["Demo==1.*"]
rules = ["cooldown"]
until = "2026-12-24"
reason = "CVE-2026-1"
"""
    end = datetime(2026, 12, 24, tzinfo=UTC)
    fresh = Some(since=end - DAY)
    assert why(text, fresh) is None
    assert [why(text, fresh, at=at) for at in (end - timedelta.resolution, end)] == [None, "cooldown"]
    assert of(text).judge("demo", ACTIVE, [fresh], NOW).until == end
    assert of(text).judge("demo", ACTIVE, [Some(since=end - 8 * DAY)], NOW).until is None
    assert why(text, fresh, name="other") == why(text, dataclasses.replace(fresh, version="2.0")) == "cooldown"
    assert why(text, dataclasses.replace(fresh, version="odd")) == "cooldown"
    assert why(text, dataclasses.replace(fresh, filename="demo-1.0.tar.gz")) == "sdists"
    assert [each.reason for each in of(text).exceptions_for("demo", NOW)] == ["CVE-2026-1"]
    assert of(text).exceptions_for("demo", end) == of(text).exceptions_for("other", NOW) == ()


def test_an_exception_without_rules_lifts_all_and_without_a_day_it_has_no_end() -> None:
    text = "allow = []\nsdists = false\nsize = '1B'\n[[policy.exception]]\nnames = ['demo']\n"
    verdict = of(text).judge("demo", ACTIVE, [Some("demo-1.0.tar.gz")], NOW)
    assert (len(verdict.shown), verdict.until) == (1, None)


def test_the_rules_for_own_files() -> None:
    text = """deny = ["a"]
sdists = false
cooldown = "7d"
own = ["sdists", "yanked"]
[[policy.exception]]
names = ["demo"]
rules = ["cooldown"]
[[policy.exception]]
names = ["demo"]
until = 2026-12-24
"""
    own = of(text).own
    assert own is not None
    end = datetime(2026, 12, 24, tzinfo=UTC)
    exception = PolicyException(names=("demo",), rules=("yanked", "sdists"), until=end)
    assert own == Policy(sdists=False, exceptions=(exception,), trusts_times=True)
    assert own.own is None
    assert own.digest != of(text).digest
    assert of("sdists = false\nown = ['deny']").own is None
    assert of("allow = []\nown = ['allow']").own == Policy(allow=(), trusts_times=True)


def test_an_own_file_whose_time_is_ahead_of_the_clock_is_shown() -> None:
    own = of('newest = "2030-01-01"\nown = ["newest"]').own
    assert own is not None
    assert own.judge("demo", ACTIVE, [Some(since=NOW + DAY)], NOW).shown


@pytest.mark.parametrize(
    "change",
    [
        *("deny = ['a', 'b']", "allow = []", "status = ['archived']", "yanked = false", "sdists = false", "size = '2B'"),
        *("newest = '2026-01-02'", "cooldown = '2d'", "own = ['deny']", "[[policy.exception]]\nnames = ['a']"),
    ],
)
def test_the_digest_changes_with_each_rule(change: str) -> None:
    assert of("").digest != of(change).digest
    assert of(change).digest == of(f"# said otherwise\n{change}").digest


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("policy", "cooldwn = '7d'"), ("policy.deny", "deny = 'a'"), ("policy.deny", "deny = [1]")),
        *(("policy.deny", f"deny = ['{each}']") for each in ("", "a b", "a==", "a===1", "a==1;", "a @ x", "a<x", "<1", "a~=1")),
        *(("policy.allow", f"allow = ['a', '{'a' * 201}']"), ("policy.deny", f"deny = ['a=={'1' * 101}']")),
        *(("policy.deny", f"deny = ['a{','.join(['>1'] * 11)}']"), ("policy.deny", f"deny = {['a'] * 1001!r}")),
        *(("policy.status", f"status = {each}") for each in ("['active']", "'archived'", "['odd']", "[1]")),
        *((f"policy.{key}", f"{key} = 1") for key in ("yanked", "sdists", "size", "newest", "cooldown", "own")),
        *(("policy.size", f"size = '{each}'") for each in ("", "1", "0B", "1 MB", "1KB", "1.5MB", "-1B", "1234567890B", "²B")),
        *(("policy.cooldown", f"cooldown = '{each}'") for each in ("", "7", "0d", "7 d", "7D", "12345h", "1m", "-1d", "²d")),
        *(("policy.newest", f"newest = '{each}'") for each in ("2026-02-30", "2026-1-1", "20260101", "2026-01-01T10:00:00")),
        *(("policy.newest", f"newest = {each}") for each in ("2026-01-01T10:00:00", "1979-12-31", "9001-01-01", "10:00:00")),
        *(("policy.own", f"own = {each}") for each in ("['cooldown']", "['own']", "'deny'", "[[]]")),
        *(("policy.exception", each) for each in ("exception = 1", "exception = [1]", "exception = [{names = ['a'], x = 1}]")),
        ("policy.exception", f"exception = {'[' + '{},' * 1001 + ']'}"),
        *(("policy.exception.names", f"exception = [{{{each}}}]") for each in ("", "names = []", "names = ['']")),
        *(("policy.exception.rules", f"exception = [{{names=['a'], rules={each}}}]") for each in ("[]", "['x']", "'deny'")),
        *(
            ("policy.exception.until", f"exception = [{{names=['a'], until={each}}}]")
            for each in ("'2026-12-24T00:00:00Z'", "2026-12-24T00:00:00Z", "1", "'tomorrow'", "''")
        ),
        *(
            ("policy.exception.reason", f"exception = [{{names=['a'], reason={each}}}]")
            for each in ("1", '"\\n"', f"'{'a' * 1001}'")
        ),
    ],
)
def test_what_is_not_understood_is_never_guessed(key: str, text: str) -> None:
    with pytest.raises(StorageError, match=f"'{key}' in wharf.toml") as caught:
        of(text)
    assert caught.value.hint


def test_a_policy_is_a_table() -> None:
    wrong: tuple[object, ...] = (None, [], "deny", 1)
    for value in wrong:
        with pytest.raises(StorageError, match="a table"):
            policy.parse(value)


# A plain model: every file is asked every rule at one moment, and time is walked through.


def _pattern_matches(text: str, version: str, *, unreadable: bool) -> bool:
    """Of patterns for the project `demo` only."""
    versions = text.removeprefix("demo").removeprefix("d*")
    if text.startswith("x") or not versions:
        return not text.startswith("x")
    try:
        return SpecifierSet(versions).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return unreadable


def _model(rules: Policy, status: Status, file: Some, at: datetime) -> str | None:
    old = file.since is not None and rules.cooldown is not None and file.since + rules.cooldown <= at
    past = file.since is not None and rules.newest is not None and file.since <= rules.newest and file.since <= at
    hits = {
        "deny": any(_pattern_matches(each, file.version, unreadable=True) for each in rules.deny),
        "allow": rules.allow is not None
        and not any(_pattern_matches(each, file.version, unreadable=False) for each in rules.allow),
        "status": bool(rules.status) and status.marker in {*rules.status, "odd"},
        "yanked": not rules.yanked and file.yanked is not None,
        "sdists": not rules.sdists and not file.filename.endswith(".whl"),
        "size": rules.size is not None and (file.size is None or file.size > rules.size),
        "newest": rules.newest is not None and not past,
        "cooldown": rules.cooldown is not None and not old,
    }
    for each in rules.exceptions:
        if (each.until is None or at < each.until) and any(
            _pattern_matches(text, file.version, unreadable=False) for text in each.names
        ):
            hits.update(dict.fromkeys(each.rules, False))
    return next((rule for rule in RULES if hits[rule]), None)


HOURS = st.integers(-72, 72).map(lambda hours: NOW + timedelta(hours=hours))
PATTERNS = st.lists(st.sampled_from(["demo", "d*", "x", "x<9", "demo<2", "demo==1.*", "demo>=1.5", "d*!=2.0"]), max_size=2).map(
    tuple
)
FILES = st.lists(
    st.builds(
        Some,
        filename=st.sampled_from(["a.whl", "a.tar.gz"]),
        version=st.sampled_from(["1.0", "1.5rc1", "2.0", "odd"]),
        size=st.sampled_from([None, 1, 2]),
        yanked=st.sampled_from([None, ""]),
        since=st.one_of(st.none(), HOURS),
    ),
    max_size=4,
)
STATUSES = st.sampled_from([Status(), Status(marker="archived"), Status(marker="odd")])
EXCEPTIONS = st.builds(
    PolicyException,
    names=st.lists(st.sampled_from(["demo", "d*", "x", "demo<2", "demo>=1.5"]), min_size=1, max_size=3).map(tuple),
    rules=st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique=True).map(tuple),
    until=st.one_of(st.none(), HOURS),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "deny": PATTERNS,
    "allow": st.one_of(st.none(), PATTERNS),
    "status": st.sampled_from([(), ("archived",)]),
    "yanked": st.booleans(),
    "sdists": st.booleans(),
    "size": st.sampled_from([None, 1]),
    "newest": st.one_of(st.none(), HOURS),
    "cooldown": st.one_of(st.none(), st.integers(1, 72).map(lambda hours: timedelta(hours=hours))),
}
POLICIES = st.builds(Policy, **VALUES, exceptions=st.lists(EXCEPTIONS, max_size=3).map(tuple))


def _walk(rules: Policy, files: list[Some]) -> Iterator[datetime]:
    """Every moment at which anything may change, and a moment before and after each."""
    moments = {NOW, *(each.until for each in rules.exceptions if each.until)}
    moments |= {
        since + span for each in files if (since := each.since) for span in (timedelta(), rules.cooldown or timedelta())
    }
    yield from sorted({each + step * timedelta.resolution for each, step in itertools.product(moments, (-1, 0, 1))})


@pytest.mark.slow
@given(POLICIES, STATUSES, FILES)
def test_a_verdict_is_that_of_the_plain_model_until_the_moment_that_it_tells(
    rules: Policy, status: Status, files: list[Some]
) -> None:
    files = [dataclasses.replace(each, filename=f"{number}-{each.filename}") for number, each in enumerate(files)]
    verdict = rules.judge("demo", status, files, NOW)
    hidden = {each.filename: each for each in verdict.hidden}
    for file in files:
        now = _model(rules, status, file, NOW)
        assert now == (hidden[file.filename].rule.removeprefix("policy.") if file.filename in hidden else None)
        changes = (at for at in _walk(rules, files) if at > NOW and _model(rules, status, file, at) != now)
        change = next(changes, None)
        if file.filename in hidden:
            assert hidden[file.filename].until == change
        assert change is None or (verdict.until is not None and verdict.until <= change)
    assert list(verdict.shown) == [each for each in files if each.filename not in hidden]
    if verdict.until is not None:
        assert verdict.until > NOW
        before, after = (
            rules.judge("demo", status, files, verdict.until + step) for step in (-timedelta.resolution, timedelta())
        )
        assert before == verdict
        assert [(each.filename, each.rule) for each in after.hidden] != [(each.filename, each.rule) for each in verdict.hidden]


@pytest.mark.slow
@given(POLICIES, STATUSES, FILES, st.data())
def test_another_rule_never_shows_more_and_another_exception_never_less(
    rules: Policy, status: Status, files: list[Some], data: st.DataObject
) -> None:
    shown = {*rules.judge("demo", status, files, NOW).shown}
    rule: str = data.draw(
        st.sampled_from([each for each in RULES if getattr(rules, each) == getattr(Policy(), each)] or ["deny"])
    )
    value: Any = (*rules.deny, *data.draw(PATTERNS)) if rule == "deny" else data.draw(VALUES[rule])
    changed: dict[str, Any] = {rule: value}
    stricter = dataclasses.replace(rules, **changed)
    assert {*stricter.judge("demo", status, files, NOW).shown} <= shown
    looser = dataclasses.replace(rules, exceptions=(*rules.exceptions, data.draw(EXCEPTIONS)))
    assert {*looser.judge("demo", status, files, NOW).shown} >= shown
