"""The command `cairn`: what can be asked of it; each command's work is in a file of its own.

Those files are imported when they are needed, so that help and version answer at once.
"""

import gc
import sys
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import (
    HERE,
    ONE_SESSION,
    AccessLog,
    Agent,
    App,
    AuthTokenFile,
    DatabaseUrl,
    DataDir,
    Doors,
    Host,
    Listen,
    LogFormat,
    Port,
    RootPath,
    SocketMode,
    Status,
    Tag,
    TokenFile,
    Url,
    UsageError,
    User,
    Workers,
    Workspace,
    complaining,
    settings_of,
    wants_json,
)
from api.cli.secret_commands import secret_keys
from api.cli.serving.listening import listen as open_listening
from api.cli.time_travel import diff_session, rebuild_all, replay_session
from api.cli.token_commands import tokens
from api.cli.transfer import export_logs, import_files

app = typer.Typer(
    name="cairn",
    help="Keeps the sessions of AI agents: an event-sourced log on Postgres, behind HTTP.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cairn {version_of('cairn')}")
        raise typer.Exit


@app.callback()
def _all(
    _: Annotated[
        bool,
        typer.Option(
            "--version", "-V", is_eager=True, callback=_say_version, help="Say which version it is."
        ),
    ] = False,
) -> None:
    pass


@app.command(short_help="Run the server.")
def serve(
    host: Host = None,
    port: Port = None,
    listen: Listen = None,
    socket_mode: SocketMode = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    workers: Workers = None,
    log_format: LogFormat = None,
    access_log: AccessLog = None,
    auth_token_file: AuthTokenFile = None,
    door: Doors = None,
    root_path: RootPath = None,
) -> None:
    """Run the server, with a Postgres of its own unless a database is given.

    Every option can also be set by the environment variable behind it; the option wins. Ctrl-C
    stops it within two seconds, a second Ctrl-C at once.
    """
    with complaining(as_json=wants_json(log_format)):
        settings = settings_of(
            host=host,
            port=port,
            listen=listen,
            socket_mode=socket_mode,
            data_dir=data_dir,
            database_url=database_url,
            workers=workers,
            log_format=log_format,
            access_log=access_log,
            auth_token_file=auth_token_file,
            doors=",".join(door) if door else None,
            root_path=root_path,
        )
        if settings.listen and (host is not None or port is not None):
            raise UsageError(
                "--listen (CAIRN_LISTEN) says where it listens; leave out --host and --port."
            )
        # First of all, because it fails most often; the rest takes a second to import.
        with open_listening(settings) as listening:
            # What is imported is here to stay: looking through it for cycles takes an eighth of it.
            gc.disable()
            from api.cli.serve import serve as run

            gc.enable()
            run(settings, listening)


@app.command(short_help="Bring the database up to this program.")
def migrate(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")] = False,
    grant_to: Annotated[
        str | None,
        typer.Option("--grant-to", help="Give this role what the program needs, and no more."),
    ] = None,
) -> None:
    """Bring the database up to this program; `cairn serve` does it too when it starts."""
    with complaining():
        settings = settings_of(data_dir=data_dir, database_url=database_url)
        from api.cli.migrate import migrate as run

        run(settings, dry_run=dry_run, grant_to=grant_to)


@app.command(name="sessions", short_help="List sessions, the last changed first.")
def list_sessions(
    app: App = None,
    user: User = None,
    workspace: Workspace = None,
    agent: Agent = None,
    status: Status = None,
    tag: Tag = None,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only those with this in their title.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="The most of them.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="One session in JSON per line.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """List sessions, the last changed first, with as much of their ids as tells them apart."""
    with complaining():
        from api.cli.sessions import list_sessions as run

        filters = {
            "app": app,
            "user": user,
            "workspace": workspace,
            "agent": agent,
            "status": status,
            "tag": tag,
            "text": text,
        }
        run(filters=filters, limit=limit, as_json=json, url=url, token_file=token_file)


@app.command(name="show", short_help="Show a session, and what was said in it last.")
def show_session(
    session: Annotated[str, typer.Argument(help=ONE_SESSION)],
    turns: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="The most of its last turns to show.")
    ] = 3,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Show a session: what it is, how it is, and what was said in its last turns."""
    with complaining():
        from api.cli.sessions import show_session as run

        run(session, turns=turns, as_json=json, url=url, token_file=token_file)


@app.command(short_help="Follow a session across disconnects and restarts.")
def tail(
    session: Annotated[str, typer.Argument(help=ONE_SESSION)],
    url: Url = HERE,
    since: Annotated[
        str,
        typer.Option(
            metavar="SEQUENCE",
            help="Show what follows this sequence; `now` shows only what is new.",
        ),
    ] = "0",
    token_file: TokenFile = None,
    json: Annotated[bool, typer.Option("--json", help="One record of the log per line.")] = False,
) -> None:
    """Follow a session over HTTP, across disconnects and restarts of the server."""
    with complaining():
        from api.cli.tail import tail as run

        run(session, url=url, since=since, token_file=token_file, as_json=json)


@app.command(name="repair", short_help="Say what is wrong with a log, and close what is open.")
def repair_session(
    session: Annotated[str | None, typer.Argument(help=ONE_SESSION)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the session was stopped on purpose.")
    ] = False,
    scope: Annotated[
        str, typer.Option(metavar="final|all", help="Close the final turn, or all that are open.")
    ] = "final",
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="All sessions that the filters choose, a line each.",
        ),
    ] = False,
    app: App = None,
    user: User = None,
    workspace: Workspace = None,
    agent: Agent = None,
    status: Status = None,
    tag: Tag = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A log in a file; needs no server.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="Of the file: cairn, rows, agh-ledger or agh-db."
        ),
    ] = None,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Say what is wrong with a session or a log in a file, and append what closes what is open.

    The exit status is 0 when nothing is wrong or it was repaired, 1 when there is something to do
    or it is blocked, 2 when it could not be looked at.
    """
    with complaining():
        from api.cli.repair import repair as run

        filters = {
            "app": app,
            "user": user,
            "workspace": workspace,
            "agent": agent,
            "status": status,
            "tag": tag,
        }
        sys.exit(
            run(
                session,
                everything=everything,
                file=file,
                form=form,
                filters=filters,
                dry_run=dry_run,
                force=force,
                scope=scope,
                as_json=json,
                url=url,
                token_file=token_file,
            )
        )


@app.command(name="recover", short_help="Stop the sessions that were left behind.")
def recover_sessions(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Stop every session whose driver is gone, and close what is open in it.

    The exit status is 0 when nothing is left to do, 1 when something is, 2 when the server could
    not be asked.
    """
    with complaining():
        from api.cli.recover import recover as run

        sys.exit(run(dry_run=dry_run, as_json=json, url=url, token_file=token_file))


@app.command(short_help="Play a recorded agent, kill the server, lose nothing.")
def demo(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A server that runs already; without it one is started, and killed."
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            metavar="FACTOR", min=0, help="How much faster than it happened; 0 does not wait."
        ),
    ] = 5.0,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY", help="Keep the data here; without it they are thrown away."
        ),
    ] = None,
    token_file: TokenFile = None,
) -> None:
    """Play a recorded agent session, kill the server in a turn, and prove that nothing is lost."""
    with complaining():
        from api.cli.demo import demo as run

        run(url=url, speed=speed, data_dir=data_dir, token_file=token_file)


@app.command(short_help="Check that nothing was changed, cut off or taken away.")
def verify(
    sessions: Annotated[
        list[str] | None, typer.Argument(help="Ids of sessions, or their beginnings.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All sessions.")] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The log must still contain what this checkpoint says."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The public keys that sign checkpoints, as you kept it."),
    ] = None,
    sample: Annotated[
        str, typer.Option(metavar="PART", help="Of all sessions only so many, such as 1%.")
    ] = "100%",
    since_checkpoint: Annotated[
        bool,
        typer.Option(
            "--since-checkpoint", help="Of all sessions only those that changed since --checkpoint."
        ),
    ] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
    json: Annotated[bool, typer.Option("--json", help="Say it in JSON.")] = False,
) -> None:
    """Check sessions against their chains, and the log against a checkpoint of long ago.

    A checkpoint is held against every digest in the log, and all sessions are checked with it
    unless some are named. The exit status is 0 when all is well, 1 when something was found and 2
    when it could not be looked at.
    """
    with complaining(unable=2):
        from api.cli.verify import verify as run

        raise SystemExit(
            run(
                sessions or [],
                everything=everything,
                sample=sample,
                since_checkpoint=since_checkpoint,
                checkpoint=checkpoint,
                key=key,
                url=url,
                token_file=token_file,
                as_json=json,
            )
        )


app.command(name="rebuild", short_help="Make all that follows from the log anew.")(rebuild_all)
app.command(name="diff", short_help="Tell what differs between two moments.")(diff_session)
app.command(name="replay", short_help="Show a session as it happened.")(replay_session)
app.command(name="export", short_help="Take sessions out, as files.")(export_logs)
app.command(name="import", short_help="Bring exported sessions in.")(import_files)

audit = typer.Typer(
    name="audit", help="Keys that sign checkpoints of the log.", no_args_is_help=True
)
app.add_typer(audit)
app.add_typer(tokens)
app.add_typer(secret_keys)


@audit.command(short_help="Make a key that signs checkpoints.")
def keygen(
    file: Annotated[Path, typer.Argument(help="Where the key is kept; name it to the server.")],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the log, such as audit.example.com/cairn."),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Put a new key before those in the file.")
    ] = False,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="With --rotate: the old key goes on signing too.")
    ] = False,
) -> None:
    """Make a key that signs checkpoints, and print its public key, to be kept elsewhere."""
    with complaining():
        from api.cli.audit import keygen as run

        run(file, name=name, rotate=rotate, overlap=overlap)


@app.command()
def version() -> None:
    """Say which version this is."""
    _say_version(True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        arguments: What stands behind `cairn`; those of this process by default.
    """
    app(args=arguments, prog_name="cairn")
