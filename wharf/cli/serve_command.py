"""`wharf serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.fall_through_option import fall_through
from wharf.cli.serve_messages import tell_that_it_answers
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.repository.opening import Repository
    from wharf.server.options import Auth, Options
    from wharf.sources.public_index_address import PublicIndex

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command(
    "serve",
    epilog="""\b
Examples:
  wharf serve
  wharf serve --port 0 --json
  wharf token create team --scope read
  wharf serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  wharf serve --repo owner/name
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 takes a free one.")
@click.option(
    "--auth",
    type=click.Choice(["local", "tokens", "public", "github"]),
    help="Who may read: everybody on this machine; wharf's tokens; everybody; or whoever GitHub lets read the repository. "
    "Default: local for a folder; on GitHub public for a public repository and github for a private one.",
)
@click.option("--allowed-host", "hosts", multiple=True, metavar="NAME", help="A host name that open reading answers to.")
@click.option("--tls-cert", type=_FILE, help="The certificate chain (PEM).")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@click.option("--root-path", default="", metavar="PATH", help="The path below which a proxy shows this server.")
@click.option(
    "--trusted-proxy", "proxies", multiple=True, metavar="IP", help="A proxy whose forwarded headers the server trusts."
)
@click.option(
    "--upload-limit",
    type=click.IntRange(min=1),
    default=(2 << 30) - 1,
    show_default="2 GiB",
    metavar="BYTES",
    help="The largest file that an upload may have.",
)
@click.option("--strict-uploads", is_flag=True, help="Refuse a file that is worth a warning, as `strict` in the settings does.")
@click.option(
    "--stream", is_flag=True, help="Send GitHub's files through the server, for clients that cannot reach GitHub's storage."
)
@click.option(
    "--cache-size",
    type=click.IntRange(min=0),
    default=4 << 30,
    show_default="4 GiB",
    metavar="BYTES",
    help="How much the server keeps on disk of files from GitHub, and as much again of files from upstreams.",
)
@click.option(
    "--keep-alive",
    type=click.IntRange(1, 86_400),
    default=75,
    show_default=True,
    metavar="SECONDS",
    help="How long an idle connection is kept: longer than a load balancer in front keeps it.",
)
@click.option("--cors-origin", "origins", multiple=True, metavar="ORIGIN", help="An origin whose web pages may read the index.")
@click.option("--access-log", is_flag=True, help="Print a line for each request; with --json as JSON.")
@fall_through
@common_options
@pass_state
def serve_command(
    state: State,
    host: str,
    port: int,
    auth: Auth | None,
    hosts: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    root_path: str,
    proxies: tuple[str, ...],
    upload_limit: int,
    strict_uploads: bool,
    stream: bool,
    cache_size: int,
    keep_alive: int,
    origins: tuple[str, ...],
    access_log: bool,
    public_index: PublicIndex | bool,
) -> None:
    """Serve the index to pip, uv and twine.

    Over a folder, everybody on this machine may read. Uploading always needs a token (`wharf token create NAME`). On an address
    that others can reach, reading needs one too. Over a private repository on GitHub, clients send a GitHub token that may
    read it. A commit is visible within a second. A commit that was pushed to GitHub is visible within seconds, and with a
    webhook (WHARF_WEBHOOK_SECRET) at once.
    """
    from wharf.secret import Secret
    from wharf.server.options import Options
    from wharf.sources import public_index_address

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    settings = state.settings()
    options = Options(
        host=host,
        port=port,
        auth=auth,
        allowed_hosts=hosts,
        tls_cert=tls_cert,
        tls_key=tls_key,
        root_path=root_path,
        trusted_proxies=proxies,
        upload_limit=upload_limit,
        strict_uploads=strict_uploads or settings.strict,
        stream=stream,
        cache=settings.cache / "files",
        cache_budget=cache_size,
        keep_alive=keep_alive,
        cors_origins=origins,
        access_log=access_log,
        public_index=public_index_address.default(os.environ) if public_index is True else public_index or None,
        upstreams=settings.upstreams,
        webhook=Secret(webhook) if (webhook := os.environ.get("WHARF_WEBHOOK_SECRET", "").strip()) else None,
    )
    _serve(state, options)


def _serve(state: State, options: Options) -> None:
    from wharf.server.operator_server import Operator, serve

    passes_on = options.public_index is not None  # then a missing store is not made: its name may be mistyped
    with state.repository(reading=passes_on, whole=True, fetch="later", patient=False) as repository:
        index, empty = repository.branch.index, repository.github is None and repository.branch.tip() is None
        so_far = " (a new store, empty yet)" if repository.made else " (empty yet)" if empty else ""
        where = f"the index {index!r} of {repository.where}{so_far}"
        operator = Operator(
            ready=lambda address, by, mode: tell_that_it_answers(state, where, _others(repository), address, options, by, mode),
            warn=state.warn,
            say=state.say,
            write=click.echo,
            wants_json=state.json,
        )
        serve(repository, options, operator)


def _others(repository: Repository) -> list[str]:
    """The other indexes that are served below their names, as far as they are on this machine by now."""
    from wharf.index.index_name import has_address

    own = repository.branch.index
    return [name for name in repository.branch.local_indexes() if name != own and has_address(name)]
