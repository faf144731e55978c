"""Settings as a person types them, and what becomes of the rest of `wharf.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import StorageError, UsageError
from wharf.index import wharf_toml
from wharf.index.wharf_toml import NEW, parse
from wharf.index.wharf_toml_change import SetSettings, Setting, parse_setting
from wharf.model import Status

if TYPE_CHECKING:
    from wharf.model import Release


@dataclass
class Tip:
    """The records of an index that has settings and nothing else."""

    index_file: bytes = NEW
    asked: list[tuple[str, ...]] = field(default_factory=list)
    addresses: list[dict[str, str]] = field(default_factory=list)

    def names(self) -> list[str]:
        return []

    def tree_ids(self) -> dict[str, str]:
        return {}

    def version_ids(self, project: str) -> dict[str, str]:
        del project
        return {}

    def file_ids(self, project: str, version: str) -> dict[str, str]:
        del project, version
        return {}

    def versions(self, project: str) -> list[str]:
        del project
        return []

    def release(self, project: str, version: str) -> Release | None:
        del project, version
        return None

    def releases(self, project: str, versions: object) -> list[Release]:
        del project, versions
        return []

    def status(self, project: str) -> Status:
        del project
        return Status()

    def state(self, project: str) -> bytes | None:
        del project
        return None

    def check(self, bases: tuple[str, ...]) -> dict[str, str]:
        self.asked.append(bases)
        return dict.fromkeys(bases, "a" * 40)

    def after(self, *settings: str) -> bytes | None:
        change = SetSettings(tuple(map(parse_setting, settings)), self.check, lambda new: self.addresses.append(dict(new)))
        outcome = change.apply(self)
        return outcome.edits.get(wharf_toml.PATH)


@pytest.mark.parametrize(
    ("text", "keys", "value"),
    [
        ("bases=main", ("bases",), ["main"]),
        ("bases=[]", ("bases",), []),
        ('bases=["a", "b"]', ("bases",), ["a", "b"]),
        ("bases=", ("bases",), None),
        (" reserved = acme-* ", ("reserved",), ["acme-*"]),
        ("metadata-assets=true", ("metadata-assets",), True),
        ("metadata-assets=yes", ("metadata-assets",), "yes"),
        ("shadow=[broken", ("shadow",), ["[broken"]),
        ('upload.acme-*=["alice"]', ("upload", "acme-*"), ["alice"]),
        ("upload.acme.x=alice", ("upload", "acme.x"), ["alice"]),
        ('upload."acme-*"=@acme/team', ("upload", "acme-*"), ["@acme/team"]),
        ("upload.*=", ("upload", "*"), None),
        ('upload={"b" = ["x"], "a" = ["y"]}', ("upload",), {"b": ["x"], "a": ["y"]}),
        ("upstream.mode=proxy", ("upstream", "mode"), "proxy"),
        ("upstreams.gpu.url=https://a.example/", ("upstreams", "gpu", "url"), "https://a.example/"),
        ("upstreams.gpu=", ("upstreams", "gpu"), None),
        ('route=[{names = ["a"], from = []}]', ("route",), [{"names": ["a"], "from": []}]),
        ('route={names = ["a"], from = []}', ("route",), [{"names": ["a"], "from": []}]),
        ("keep-past=30d", ("keep-past",), "30d"),
        ("retention={names = ['a'], keep-newest = 3}", ("retention",), [{"names": ["a"], "keep-newest": 3}]),
        ("policy.deny=big", ("policy", "deny"), ["big"]),
        ("policy.cooldown=7d", ("policy", "cooldown"), "7d"),
        ("policy.yanked=false", ("policy", "yanked"), False),
        ('policy.exception={names = ["a"]}', ("policy", "exception"), [{"names": ["a"]}]),
        ('bases=["a"]\nformat = 2', ("bases",), ['["a"]\nformat = 2']),
    ],
)
def test_a_setting_is_toml_or_a_string(text: str, keys: tuple[str, ...], value: object) -> None:
    assert parse_setting(text) == Setting(keys, value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        *(("bases", "KEY=VALUE"), ("=x", "has no key"), ("format=2", "cannot be set"), ("base=main", "no key 'base'")),
        *(("retention.names=x", "has no parts"), ("keep-past.days=1", "has no parts")),
        *(("upstream.mdoe=x", "has no part 'mdoe'"), ("upstream.=x", "has no part"), ("policy.dney=x", "no part")),
        *(
            ("upstreams.this.url=x", "called 'this'"),
            ("upstreams.upstream=", "called 'upstream'"),
            ("upstreams.gpu.uri=x", "is no key"),
            ("upstreams.a.url.x=1", "is no key"),
        ),
        *(("upstreams.=x", "is no key"), ("upstreams.A.url=x", "is no key"), ("route.names=x", "has no parts")),
        *(("bases.x=1", "has no parts"), ("upload.a b=x", "cannot stand for"), ("upload.=x", "cannot stand for")),
        *(("upload." + "a" * 300 + "=x", "cannot stand for"), ("x" * 5000 + "=1", "no key"), ("\x1b[2J=1", "no key")),
    ],
)
def test_a_key_that_cannot_be_set_is_named(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        parse_setting(text)
    assert caught.value.hint
    assert len(caught.value.message) < 300
    assert "\x1b" not in caught.value.message


def test_a_misspelt_key_has_a_near_one() -> None:
    with pytest.raises(UsageError) as caught:
        parse_setting("resrved=x")
    assert "Did you mean reserved?" in caught.value.hint


def test_what_else_is_in_the_file_stays() -> None:
    mine = b'# ours\nformat = 1 # one\nother = "kept"\n\n[upload] # who\n"b-*" = ["bob"]\n\n[later-on]\nx = 1.50\n'
    changed = Tip(mine).after("bases=main", "upload.a-*=alice", "shadow=x")
    assert changed is not None
    text = changed.decode()
    for line in ("# ours", "format = 1 # one", 'other = "kept"', "[upload] # who", '"b-*" = ["bob"]', "[later-on]", "x = 1.50"):
        assert line in text.splitlines()
    assert [rule.glob for rule in parse(changed).upload] == ["b-*", "a-*"], "the first rule that matches decides"
    back = Tip(changed).after("bases=", "upload.a-*=", "shadow=")
    assert back is not None
    assert tomllib.loads(back.decode()) == tomllib.loads(mine.decode())


def test_bases_are_checked_when_they_change_and_what_is_so_already_makes_no_commit() -> None:
    tip = Tip()
    changed = tip.after("bases=main")
    assert changed is not None
    assert tip.asked == [("main",)]
    tip = Tip(changed)
    assert tip.after("bases=main") is None
    assert tip.after("reserved=x") is not None
    assert tip.asked == []
    outcome = SetSettings((parse_setting("bases=other"),), tip.check).apply(tip)
    assert outcome.beside == {"other": "a" * 40}


def test_the_last_upstream_goes_with_its_table_and_the_others_stay() -> None:
    both = Tip().after("upstreams.a.url=https://a.example/", "upstreams.b.url=https://b.example/", "policy.deny=x")
    one = Tip(both or b"").after("upstreams.a=")
    assert tomllib.loads((one or b"").decode())["upstreams"] == {"b": {"url": "https://b.example/"}}
    none = Tip(one or b"").after("upstreams.b=")
    assert not tomllib.loads((none or b"").decode()).get("upstreams")
    assert tomllib.loads((none or b"").decode())["policy"] == {"deny": ["x"]}


@pytest.mark.parametrize("setting", ["policy.allow=lib", "policy.newest=2026-11-20", "policy.cooldown=", "upstream.mode=proxy"])
def test_a_rule_is_set_where_the_policy_has_exceptions(setting: str) -> None:
    text = b'format = 1\n\n[policy]\ncooldown = "7d"\n\n[[policy.exception]]\nnames = ["a"] # why\n'
    changed = (Tip(text).after(setting) or b"").decode()
    keys, value = parse_setting(setting).keys, parse_setting(setting).value
    wanted = tomllib.loads(text.decode())
    if value is None:
        del wanted[keys[0]][keys[1]]
    else:
        wanted.setdefault(keys[0], {})[keys[1]] = value
    assert tomllib.loads(changed) == wanted
    assert "# why" in changed


def test_a_new_table_has_an_empty_line_before_it() -> None:
    text = b'format = 1\n\n[policy]\ncooldown = "7d"\n'
    assert Tip(text).after("upstream.mode=proxy") == text + b'\n[upstream]\nmode = "proxy"\n'


def test_addresses_are_checked_when_they_become_new() -> None:
    tip = Tip()
    changed = tip.after("upstream.url=https://A.example", "upstreams.gpu.url=https://b.example/")
    assert tip.addresses == [{"upstream.url": "https://a.example/", "upstreams.gpu.url": "https://b.example/"}]
    tip = Tip(changed or b"")
    assert tip.after("upstream.mode=proxy", "upstream.url=https://a.example/") is not None
    assert tip.after("upstream.url=") is not None
    assert tip.addresses == []
    assert tip.after("upstream.url=https://b.example/") is not None
    assert tip.addresses == [{"upstream.url": "https://b.example/"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        *("upstream=x", "upstream.mode=on", "upstream.url=x", "upstreams.gpu=x", "upstreams.gpu.url=x", "route=x", "route=[1]"),
        *("bases=Main", "bases=[1]", "metadata-assets=1", "reserved=a b", "upload=x", "upload.a=[1]", "upload.a=two words"),
        *('bases=["a","a"]', "reserved=" + "a" * 201, "shadow=" + repr(["a" * 100] * 999), "bases=" + "[" * 3000),
    ],
)
def test_what_no_reader_would_take_is_not_written(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Tip().after(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "mine",
    [
        b"format = 1\nupload.a = ['x']\n",
        b"format = 1\nupload = {a = ['x']}\n",
        b"format = 1\n[upload]\na = [\n  'x', # why\n]\n",
        b"format = 1\n[x.y]\nz = 1\n[upload]\na = ['x']\n[x.w]\nz = 2\n",
        b"format = 1\r\nother = '''\r\n[upload]\r\n'''\r\n[upload]\r\na = ['x']\r\n",
        b"format = 1\n'bases' = ['a'] # quoted\n[[more]]\nx = nan\n",
    ],
)
def test_a_file_in_any_style_is_edited_or_left_alone(mine: bytes) -> None:
    for setting in ("upload.b=y", "upload.a=", "bases=other", "bases=", "reserved=x"):
        before = tomllib.loads(mine.decode())
        try:
            changed = Tip(mine).after(setting)
        except UsageError:
            continue  # and nothing was written
        found = tomllib.loads((changed or mine).decode())
        parsed = parse_setting(setting)
        table: dict[str, Any] = found
        for key in parsed.keys[:-1]:
            table = table.get(key, {})  # the last rule of a table may take it along
        assert table.get(parsed.keys[-1]) == parsed.value
        untouched = before.keys() - {parsed.keys[0]}
        assert repr({key: found[key] for key in untouched}) == repr({key: before[key] for key in untouched})


_GLOBS = st.from_regex(r"[A-Za-z0-9._*?\[\]!-]{1,12}", fullmatch=True)


@pytest.mark.slow
@given(st.lists(st.tuples(_GLOBS, st.sampled_from(["alice", "@a/b", "repo:a/b"])), max_size=6))
def test_any_rules_are_written_as_they_were_meant(rules: list[tuple[str, str]]) -> None:
    data, wanted = NEW, dict[str, tuple[str, ...]]()
    for glob, who in rules:
        data = Tip(data).after(f"upload.{glob}={who}") or data
        wanted[glob] = (who,)
    assert {rule.glob: rule.uploaders for rule in parse(data).upload} == wanted
    assert [rule.glob for rule in parse(data).upload] == list(wanted)


@pytest.mark.slow
@given(st.text(max_size=60))
def test_no_text_is_more_than_a_setting(text: str) -> None:
    for head in ("bases=", "upload.a=", "reserved="):
        try:
            changed = Tip().after(head + text)
        except UsageError:
            continue
        try:
            parse(changed or NEW)
        except StorageError:
            pytest.fail(f"{text!r} was written, and nobody reads it")
        assert tomllib.loads((changed or NEW).decode()).keys() <= {"format", "bases", "upload", "reserved"}
