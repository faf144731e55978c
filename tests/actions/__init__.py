"""A runner of GitHub's workflows for the simulator: what it does not know is an error, and nothing is skipped.

Workflow files come out of the simulator's repositories, steps run in real shells, and each job's token may do in the simulator
what the job's permissions say. Actions of third parties are emulated (`emulated.py`), by the commits that are pinned.
"""

from tests.actions.jobs import Job
from tests.actions.runner import Actions, Run
from tests.actions.words import NotKnown, WorkflowError

__all__ = ["Actions", "Job", "NotKnown", "Run", "WorkflowError"]
