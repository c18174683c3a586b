"""`cairn export` and `cairn import`: what can be asked of them."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import HERE, TokenFile, Url, UsageError, complaining


def export_logs(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="A file of one session (.jsonl, .jsonl.zst), a bundle (.tar.zst) or a folder; with"
            " --format parquet a table (.parquet).",
        ),
    ],
    sessions: Annotated[
        list[str] | None, typer.Argument(help="Ids of sessions, or their beginnings.")
    ] = None,
    app: Annotated[str | None, typer.Option(metavar="APP", help="Sessions of this app.")] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Sessions of this user.")] = None,
    workspace: Annotated[
        str | None, typer.Option(metavar="WORKSPACE", help="Sessions of this workspace.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Sessions of this agent.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Sessions with this status.")
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Sessions with this tag.")] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="jsonl, or parquet: the events as a table, for analysis.",
        ),
    ] = "jsonl",
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Export sessions as files; without any name or filter all that there is.

    A file or folder has its name when it is complete. Ended half-way, the same command goes on
    where it ended.
    """
    filters = {
        "app": app,
        "user": user,
        "workspace": workspace,
        "agent": agent,
        "status": status,
        "tag": tag,
    }
    with complaining():
        if form not in ("jsonl", "parquet"):
            raise UsageError(f"--format is jsonl or parquet, and it is {form!r}.")
        from api.cli.transfer.exporting import export as run

        run(
            sessions or [],
            filters,
            output,
            as_table=form == "parquet",
            url=url,
            token_file=token_file,
        )


def import_files(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="An export file, a bundle, or a folder of export files; with --from the files,"
            " folders and URLs of databases of another system.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SYSTEM",
            help="adk, agh, claude-code, codex, docker-agent, langchain, langgraph, openai-agents"
            " or pydantic-ai.",
        ),
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(metavar="APP", help="With --from: the app that the sessions belong to."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="USER", help="With --from: the user that they belong to."),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(
            "--source-timezone",
            metavar="ZONE",
            help="With --from: the zone of times that name none; UTC if left out.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be imported.")
    ] = False,
    quarantine: Annotated[
        bool,
        typer.Option("--quarantine", help="Take damaged sessions too; nobody can append to them."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
) -> None:
    """Import sessions: the same ids, sequences, bytes and digests as they were exported with.

    With --from, sessions of another system, in the order and with the times that they have there;
    what has no place here is kept as it is, and counted.

    All that is wrong is found before anything is written. Ended half-way, the same command
    completes it. The exit status is 0 when everything is there, 1 when something was refused, 2
    when it could not be tried.
    """
    with complaining(unable=2):
        if source is not None:
            from api.cli.transfer.foreign import import_foreign

            raise SystemExit(
                import_foreign(
                    source,
                    paths,
                    app=app,
                    user=user,
                    zone=zone,
                    dry_run=dry_run,
                    quarantine=quarantine,
                    as_json=json,
                    url=url,
                    token_file=token_file,
                )
            )
        if len(paths) != 1:
            raise UsageError("Name one file or folder; several go with --from.")
        if app or user or zone:
            raise UsageError("--app, --user and --source-timezone go with --from.")
        from api.cli.transfer.importing import import_path as run

        raise SystemExit(
            run(
                Path(paths[0]),
                dry_run=dry_run,
                quarantine=quarantine,
                as_json=json,
                url=url,
                token_file=token_file,
            )
        )
