"""A GitHub to test against: real git over HTTP, the REST and GraphQL answers that wharf relies on, and every fault on demand.

Laid out as an Enterprise Server: one host with the API under /api/v3, uploads under /api/uploads, git and downloads beside
them; a second one stands for the storage behind signed addresses.
"""

from tests.simulator.apps import App, Installation
from tests.simulator.hub import Hub
from tests.simulator.state import Asset, Call, Clock, Release, Repo

__all__ = ["App", "Asset", "Call", "Clock", "Hub", "Installation", "Release", "Repo"]
