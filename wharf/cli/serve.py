"""`wharf serve`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wharf.cli.output import State, common, pass_state

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command(
    "serve",
    epilog="""\b
Examples:
  wharf serve
  wharf serve --port 0 --json
  wharf token create team --scope read
  wharf serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 takes a free one.")
@click.option("--public", is_flag=True, help="Let everybody read, beyond this machine too.")
@click.option("--private", is_flag=True, help="Ask for a token on this machine too, as behind a proxy.")
@click.option("--allowed-host", "hosts", multiple=True, metavar="NAME", help="A host name that open reading answers to.")
@click.option("--tls-cert", type=_FILE, help="The certificate chain (PEM).")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@click.option("--root-path", default="", metavar="PATH", help="The path below which a proxy shows this server.")
@click.option("--trusted-proxy", "proxies", multiple=True, metavar="IP", help="A proxy whose forwarded headers are believed.")
@click.option(
    "--upload-limit",
    type=click.IntRange(min=1),
    default=(2 << 30) - 1,
    show_default="2 GiB",
    metavar="BYTES",
    help="The largest file that an upload may have.",
)
@common
@pass_state
def serve_command(
    state: State,
    host: str,
    port: int,
    public: bool,
    private: bool,
    hosts: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    root_path: str,
    proxies: tuple[str, ...],
    upload_limit: int,
) -> None:
    """Serve the index to pip, uv and twine.

    On this machine everybody may read; uploading always needs a token (`wharf token create NAME`). On an address that others
    can reach, reading needs one too, unless --public is said. A commit of another process is visible within a second.
    """
    from wharf.server import Options, serve
    from wharf.settings import DEFAULT_INDEX

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if root_path and not root_path.startswith("/"):
        raise click.BadParameter("it must begin with a slash, as in /packages.", param_hint="--root-path")
    options = Options(
        host=host,
        port=port,
        public=public,
        private=private,
        allowed_hosts=hosts,
        tls_cert=tls_cert,
        tls_key=tls_key,
        root_path=root_path,
        trusted_proxies=proxies,
        upload_limit=upload_limit,
    )

    with state.repository() as repository:
        if repository.branch.index != DEFAULT_INDEX and repository.branch.tip() is None:
            state.warn(f"The index {repository.branch.index!r} is empty until something is published to it.")
        where = f"the index {repository.branch.index!r} of {repository.folder}"
        serve(repository, options, ready=lambda address: _tell(state, where, address), warn=state.warn)


def _tell(state: State, where: str, address: str) -> None:
    if state.json:
        click.echo(json.dumps({"url": address}))
        return
    click.echo(f"Serving {where} at {address}/simple/ (stop with Ctrl-C)")
    click.echo(f"  pip install --index-url {address}/simple/ PROJECT")
