"""Put GitHub's recorded exchanges of the unpacked package into one file: `gather.py SCENARIOS OUT` (docs/testing.md)."""

import json
import sys
from pathlib import Path


def gather(scenarios: Path) -> dict[str, dict[str, object]]:
    """Every scenario's exchanges, by the name of its folder."""
    found = sorted(scenarios.glob("*/normalized-fixture.json"))
    return {path.parent.name: {"normalized": json.loads(path.read_text(encoding="utf-8"))} for path in found}


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps({"scenarios": gather(Path(sys.argv[1]))}), encoding="utf-8")
