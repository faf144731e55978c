"""Real packages, real installers and uploaders, real processes: `pytest -m real`."""
