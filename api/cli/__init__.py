"""The command `cairn`: what can be asked of it; each command's work is in a file of its own.

Those files are imported when they are needed, so that help and version answer at once.
"""

import gc
from collections.abc import Sequence
from typing import Annotated

import typer

from api.cli.erasing import erase_content, keep_policies
from api.cli.keys.audit_commands import audit
from api.cli.keys.secret_commands import secret_keys
from api.cli.options import (
    AccessLog,
    AuthTokenFile,
    DatabaseUrl,
    DataDir,
    Doors,
    Host,
    Listen,
    LogFormat,
    Port,
    RetentionPolicy,
    RootPath,
    SocketMode,
    UsageError,
    Workers,
    complaining,
    settings_of,
    wants_json,
)
from api.cli.proving.verify_command import verify_sessions
from api.cli.reading.session_commands import demo, list_sessions, show_session, tail_session
from api.cli.repairing.repair_commands import recover_sessions, repair_session
from api.cli.serving.listening import listen as open_listening
from api.cli.time_travel import diff_session, rebuild_all, replay_session
from api.cli.tokens.token_commands import tokens
from api.cli.transfer import export_logs, import_files
from api.version import VERSION

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
        typer.echo(f"cairn {VERSION}")
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
    retention_policy: RetentionPolicy = None,
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
            retention_policy=retention_policy,
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


app.command(name="sessions", short_help="List sessions, the last changed first.")(list_sessions)
app.command(name="show", short_help="Show a session, and what was said in it last.")(show_session)
app.command(name="tail", short_help="Follow a session across disconnects and restarts.")(
    tail_session
)
app.command(name="repair", short_help="Say what is wrong with a log, and close what is open.")(
    repair_session
)
app.command(name="recover", short_help="Stop the sessions that were left behind.")(recover_sessions)
app.command(name="demo", short_help="Play a recorded agent, kill the server, lose nothing.")(demo)
app.command(name="verify", short_help="Check that nothing was changed, cut off or taken away.")(
    verify_sessions
)
app.command(name="rebuild", short_help="Rebuild all that is derived from the log.")(rebuild_all)
app.command(name="diff", short_help="Tell what differs between two moments.")(diff_session)
app.command(name="replay", short_help="Show a session as it happened.")(replay_session)
app.command(name="erase", short_help="Erase what sessions or a user have said.")(erase_content)
app.command(name="retention", short_help="Archive and erase what is old.")(keep_policies)
app.command(name="export", short_help="Take sessions out, as files.")(export_logs)
app.command(name="import", short_help="Bring exported sessions in.")(import_files)

app.add_typer(audit)
app.add_typer(tokens)
app.add_typer(secret_keys)


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
