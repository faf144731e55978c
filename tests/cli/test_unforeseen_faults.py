"""What nobody thought of: input without an end, users without a home, and faults in wharf."""

from __future__ import annotations

import getpass
import json
import logging
import os
import pwd
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_main import Run, document, run
from tests.makers import make_wheel
from tests.operations.test_operations import put
from tests.server.running import soon
from tests.server.test_server import JSON, LIMIT, form, serving
from wharf.cli import other_indexes
from wharf.cli.main import main
from wharf.errors import UsageError
from wharf.server.answer_cache import AnswerCache
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository

__all__ = ["run"]  # the fixture

DIGITS = "1" * 5000
NESTED = "[" * 3000 + "]" * 3000
TOKEN = "ghs_" + ".".join("A1b-2C_d" * 21 for _ in range(3))
"""As those of apps and of Actions jobs are: some 520 characters, with dots, dashes and underscores."""


class TestWithoutAnEnd:
    @pytest.mark.parametrize("value", [DIGITS, f"-{DIGITS}", f"0x{DIGITS}", NESTED, "{a=" * 1500 + "1" + "}" * 1500])
    @pytest.mark.parametrize("key", ["repo", "max-wait", "[tool.wharf]\nmax-wait", "other"])
    def test_settings(self, key: str, value: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "pyproject.toml").write_text(f"{key} = {value}\n")
        said = document(run("list", "--json", code=2))["error"]
        assert (said["code"], "pyproject.toml is not TOML" in said["message"]) == ("usage", True)
        assert len(said["message"]) < 1000

    @pytest.mark.parametrize("spec", [f"demo=={DIGITS}", f"demo==1.{DIGITS}", f"demo==1.0+{DIGITS}", f"demo==1.0.dev{DIGITS}"])
    @pytest.mark.parametrize("verb", ["show", "yank", "unyank", "remove"])
    def test_versions_that_are_typed(self, verb: str, spec: str, run: Run) -> None:
        said = document(run(verb, "--json", *(["--yes"] if verb == "remove" else []), spec, code=2))["error"]
        assert "is not a version" in said["message"]
        assert len(said["message"]) < 500

    def test_versions_in_a_form(self, repository: Repository, tmp_path: Path) -> None:
        token = repository.tokens.create("ci", "publish").reveal()
        wheel = make_wheel(tmp_path)
        with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
            for version in (DIGITS, f"1.0.{DIGITS}", f"1.0+{DIGITS}"):
                answer = client.post("/legacy/", auth=("x", token), **form(wheel, version=version))
                assert (answer.status_code, "which is not a version" in answer.text) == (400, True)
                assert len(answer.text) < 1000
            assert client.post("/legacy/", auth=("x", token), **form(wheel, version="1.0")).status_code == 200

    @pytest.mark.parametrize("specifier", [f">={DIGITS}", f"==1.{DIGITS}.*", f">=3,<{DIGITS}"])
    def test_specifiers(self, specifier: str, repository: Repository, tmp_path: Path) -> None:
        """pip ends in a traceback over such a one, whichever file of the page it wants."""
        done = put(repository, make_wheel(tmp_path, requires_python=specifier))
        assert any("Requires-Python" in warning for warning in done.warnings)
        with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
            (file,) = client.get("/simple/demo/", headers=JSON).json()["files"]
        assert "requires-python" not in file

    @pytest.mark.parametrize("text", [DIGITS, NESTED, f'{{"version": {DIGITS}}}', f'{{"tokens": {NESTED}}}'])
    def test_tokens(self, text: str, repository: Repository, store: Path, run: Run) -> None:
        (store / "tokens.json").write_text(text)
        assert document(run("token", "list", "--json", code=8))["error"]["code"] == "storage"

    @pytest.mark.parametrize("text", [DIGITS, NESTED, f'{{"format": {DIGITS}}}', f'{{"format": {NESTED}}}'])
    def test_the_state_of_a_site(self, text: str, repository: Repository, tmp_path: Path, run: Run) -> None:
        put(repository, make_wheel(tmp_path / "dist"))
        site = tmp_path / "site"
        site.mkdir()
        (site / "wharf-site.json").write_text(text)
        said = document(run("build", "--json", "--with-files", site, code=2))["error"]
        assert "is not a wharf site" in said["message"]


class TestWithoutAHome:
    @pytest.fixture(autouse=True)
    def _nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(number: int) -> object:
            raise KeyError(f"getpwuid(): uid not found: {number}")

        monkeypatch.setattr(pwd, "getpwuid", unknown)
        for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises((KeyError, OSError)):
            getpass.getuser()

    @pytest.mark.slow
    def test_a_store_that_is_named_needs_none(self, run: Run, tmp_path: Path) -> None:
        run("publish", make_wheel(tmp_path))
        run("yank", "demo==1.0")
        run("remove", "demo==1.0", "--yes")
        assert {each["actor"] for each in document(run("log", "--json"))["entries"]} == {f"uid {os.getuid()}"}
        run("verify")
        run("token", "create", "ci")

    def test_nor_does_a_command_beside_it(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")
        run("publish", make_wheel(tmp_path))
        for command in ("pip", "uv", "true"):
            assert other_indexes.settings(os.environ, (command, "--version"), tmp_path)

    @pytest.mark.parametrize("home", [None, "", "relative"])
    def test_what_needs_one_says_what_to_set(self, home: str | None, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WHARF_REPO")
        if home is not None:
            monkeypatch.setenv("HOME", home)
        for words in (["list"], ["list", "--repo", "acme/pkgs"], ["doctor"]):
            said = document(run(*words, "--json", code=2))["error"]
            assert "This user has no home folder" in said["message"]
            assert "XDG_CACHE_HOME" in said["hint"]

    def test_folders_that_are_named_do(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WHARF_REPO")
        for name in ("DATA", "CACHE"):
            monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
        run("publish", make_wheel(tmp_path))
        assert (tmp_path / "DATA" / "wharf" / "index.git").is_dir()

    @pytest.mark.parametrize("client", ["pip", "uv", "twine"])
    def test_nor_is_a_file_of_a_client_guessed(
        self, client: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        said = document(run("setup", client, "--write", "--url", "https://pkg.example.org/simple/", "--json", code=2))["error"]
        assert "This user has no home folder" in said["message"]
        assert [path.name for path in tmp_path.iterdir()] == []


class TestFaults:
    def test_a_document_and_no_traceback(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self._break(monkeypatch)
        said = document(run("list", "--json", code=70))["error"]
        assert said["code"] == "fault"
        assert "ZeroDivisionError in state.py, line" in said["message"]
        assert "Python 3." in said["hint"]
        assert "secret words" not in json.dumps(said)

    @pytest.mark.parametrize("words", [["list", "--verbose"], ["-v", "list", "--json"]])
    def test_the_traceback_on_request(
        self, words: list[str], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._break(monkeypatch)
        with pytest.raises(SystemExit) as left:
            main(words)
        said = capsys.readouterr().err
        assert (left.value.code, "Traceback" in said, "secret words" in said) == (70, True, True)
        assert TOKEN not in said
        assert TOKEN[20:60] not in said
        assert "hunter2-hunter2" not in said

    def test_of_a_thread(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run("publish", make_wheel(tmp_path))

        def in_a_thread(*_: object, **__: object) -> None:
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()

        monkeypatch.setattr("wharf.cli.state.State.result", in_a_thread)
        with pytest.raises(SystemExit) as left:
            main(["list"])
        said = capsys.readouterr().err
        assert left.value.code == 0
        assert "warning: wharf met a fault in itself: ZeroDivisionError" in said
        assert "Traceback" not in said

    @pytest.mark.parametrize("path", ["/simple/demo/", "/", "/healthz"])
    def test_of_the_server(
        self,
        path: str,
        repository: Repository,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        put(repository, make_wheel(tmp_path))
        with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
            with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
                broken.setattr(AnswerCache, "page", self._fail)
                broken.setattr("wharf.server.web.routes._header", self._fail)
                broken.setattr("wharf.server.refresh.refresher.Refresher.current", property(self._fail))
                answer = client.get(path, headers=JSON)
            assert (answer.status_code, answer.text) == (500, "The server met a fault in itself. Its log says more.\n")
            soon(lambda: bool(caplog.records))  # the answer may be quicker than the log
            said = [each.getMessage() for each in caplog.records if "fault" in each.getMessage()]
            assert len(said) == 1
            assert "ZeroDivisionError" in said[0]
            assert TOKEN not in "".join(each.getMessage() for each in caplog.records)
            assert client.get(path, headers=JSON).status_code == 200

    def _break(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_PASSWORD", "hunter2-hunter2")
        monkeypatch.setattr("wharf.cli.state.State.settings", self._fail)

    @staticmethod
    def _fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(f"secret words {TOKEN} and hunter2-hunter2")


def test_a_usage_error_is_no_fault(run: Run) -> None:
    assert document(run("list", "--json", "--index", "Not An Index", code=UsageError.exit_code))["error"]["code"] == "usage"
