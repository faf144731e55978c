"""Standard streams that are closed when wharf begins."""

import subprocess
import sys

import pytest

FILL = "import os, sys\nfrom wharf.system.standard_streams import fill_closed_streams\nfill_closed_streams()\n"


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ""])
def test_what_is_opened_later_never_gets_the_number_of_a_stream(streams: str) -> None:
    code = f"{FILL}sys.exit(40 + min(os.pipe()))"
    done = subprocess.run(["sh", "-c", f'exec "$@" {streams}', "-", sys.executable, "-c", code], check=False)
    assert done.returncode >= 43


def test_another_program_finds_a_closed_stream_closed() -> None:
    asked = "import sys; sys.exit(9 if sys.stdin is None else 0)"
    code = f"{FILL}import subprocess\nsys.exit(subprocess.run([sys.executable, '-c', {asked!r}]).returncode)"
    words = ["sh", "-c", 'exec "$@" <&-', "-", sys.executable, "-c", code]
    assert subprocess.run(words, check=False).returncode == 9


def test_the_command_line_fills_them() -> None:
    code = (
        "import os\nfrom wharf.cli.main import main\ntry:\n    main(['--version'])\nfinally:\n    os._exit(40 + min(os.pipe()))"
    )
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "-", sys.executable, "-c", code]
    assert subprocess.run(words, check=False).returncode >= 43
