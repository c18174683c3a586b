"""`cairn export`: part by part, so that one that was ended half-way goes on."""

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.reading.session_ids import find_session
from api.cli.transfer.packing import READ, is_ours, pack
from api.cli.transfer.parquet import export_table
from api.cli.transfer.progress import Progress
from api.cli.transfer.server import TransferServer
from application.transfer.bundles import MANIFEST, to_json
from domain.counted import counted

_PART = 500
"""The most logs that are asked for at once, and so the most that are asked for twice."""
_STATE = ".cairn-export.json"
_TAR, _ZSTD = "application/x-tar", "application/zstd"
_LINES = "application/jsonl"


class Part(msgspec.Struct, omit_defaults=True):
    """What a manifest says: of some logs, or of all."""

    cairn_bundle: int = 0
    store: str = ""
    whole: bool = False
    files: list[dict[str, Any]] = []
    blobs: list[dict[str, Any]] = []
    shared_state: list[dict[str, Any]] = []
    checkpoint: str | None = None
    next: str | None = None
    began: int = 0

    @property
    def events(self) -> int:
        """How many there are."""
        return sum(one["events"] for one in self.files)

    def add(self, part: "Part") -> None:
        """Take up what the next part says; the histories of shared scopes are put together."""
        if not self.files:
            self.cairn_bundle, self.store, self.whole = part.cairn_bundle, part.store, part.whole
            self.checkpoint = part.checkpoint
        self.files += part.files
        self.blobs += [one for one in part.blobs if one not in self.blobs]
        self.next, self.began = part.next, part.began
        scopes = {one["scope_id"]: one for one in self.shared_state}
        for one in part.shared_state:
            there = scopes.setdefault(one["scope_id"], {**one, "history": []})
            history = [*there["history"], *one["history"]]
            there["history"] = sorted(history, key=itemgetter("position"))
        self.shared_state = list(scopes.values())

    def document(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        return {
            "cairn_bundle": self.cairn_bundle,
            "store": self.store,
            "whole": self.whole,
            "files": self.files,
            "blobs": self.blobs,
            "shared_state": self.shared_state,
            "checkpoint": self.checkpoint,
        }


_part = msgspec.json.Decoder(Part).decode


def export(
    sessions: Sequence[str],
    filters: Mapping[str, str | None],
    output: Path,
    *,
    as_table: bool,
    url: str,
    token_file: Path | None,
) -> None:
    """Export what is asked for, and say what was written.

    Args:
        sessions: Ids, their beginnings, or `ext:` and external ids.
        filters: Of a list.
        output: Where to.
        as_table: As one Parquet file.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: What is asked makes no sense.
        Failure: It cannot be done now; what is written stays, to go on from.
    """
    with closing(JsonClient(url, token_file)) as client:
        ids = [find_session(client, session) for session in sessions]
    given = {name: value for name, value in filters.items() if value is not None}
    if ids and given:
        raise UsageError("Name sessions or filter them, not both.")
    asked: dict[str, Any] = {"session_ids": ids} if ids else given
    if as_table:
        export_table(asked, output, url=url, token_file=token_file)
        return
    try:
        with closing(TransferServer(url, token_file)) as server:
            if output.name.endswith((".jsonl", ".jsonl.zst")):
                if len(ids) != 1:
                    raise UsageError(f"{output} is the file of one session: name exactly one.")
                _one(server, ids[0], output)
                print(f"exported session {ids[0]} to {output}")
                return
            _free(output)
            if output.name.endswith(".tar.zst"):
                folder = output.with_name(f"{output.name}.unfinished")
                manifest = _Folder(server, folder, asked).export()
                pack(folder, output)
                shutil.rmtree(folder)
            elif output.suffix in (".tar", ".zst", ".zip", ".gz"):
                raise UsageError(f"{output}: a bundle is a folder, or an archive named .tar.zst.")
            else:
                manifest = _Folder(server, output, asked).export()
    except OSError as error:
        where = error.filename or output
        raise Failure(
            f"{where} cannot be written: {error.strerror}; run the command again, and it goes on."
        ) from None
    logs, events = counted(len(manifest.files), "log"), counted(manifest.events, "event")
    print(f"exported {logs}, {events} to {output}")


def _free(output: Path) -> None:
    taken = output.is_file() or (output / MANIFEST).exists()
    # What is there of a state that was not complete is nothing to go on from.
    begun = output.is_dir() and all(one.name.startswith(_STATE) for one in output.iterdir())
    empty = not output.exists() or begun
    if taken or not (empty or (output / _STATE).exists()):
        raise UsageError(f"{output} is there already; name another path.")


def _one(server: TransferServer, session_id: str, output: Path) -> None:
    form = _ZSTD if output.name.endswith(".zst") else _LINES
    with server.ask("GET", f"/v1/sessions/{session_id}/export", accept=form) as answer:
        _write(output, answer.pieces())


def _write(path: Path, pieces: Iterator[bytes]) -> tuple[int, str]:
    """Write a file that has its name when it is complete, and return its size and SHA-256."""
    part, digest, size = path.with_name(f"{path.name}.part"), sha256(), 0
    try:
        with part.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()
    return size, digest.hexdigest()


class _Folder:
    """A folder that becomes a bundle.

    Args:
        server: Where from.
        folder: Where to; it may have a part of the same export already.
        asked: What is exported.
    """

    def __init__(self, server: TransferServer, folder: Path, asked: Mapping[str, Any]) -> None:
        self._server = server
        self._folder = folder
        self._asked = asked
        self._progress = Progress()

    def export(self) -> Part:
        """Write all files and the manifest, and return it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        whole = Part()
        parts = self._state()
        for part in parts:
            whole.add(part)
        while not parts or whole.next is not None:
            parts = [self._part(whole)]
            whole.add(parts[0])
            self._keep(parts[0])
            self._progress.show(len(whole.files), counted(whole.events, "event"))
        self._progress.wipe()
        _write(self._folder / MANIFEST, iter([to_json(whole.document())]))
        (self._folder / _STATE).unlink()
        return whole

    def _state(self) -> list[Part]:
        """Return the parts that are complete already."""
        path = self._folder / _STATE
        # A line that is cut is of a part that was not kept, and so comes again.
        whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        _write(path, (line + b"\n" for line in whole))
        if not whole:
            self._keep(self._asked)
            return []
        asked, *lines = whole
        try:
            if msgspec.json.decode(asked) != self._asked:
                raise UsageError(f"{self._folder} has an unfinished export of something else.")
            return [_part(line) for line in lines]
        except msgspec.MsgspecError:
            raise Failure(f"{path} cannot be read; name another path.") from None

    def _keep(self, told: Any) -> None:
        with (self._folder / _STATE).open("ab") as file:
            file.write(msgspec.json.encode(told) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _part(self, before: Part) -> Part:
        """Write the files of the next logs, and return the manifest of these."""
        body = {**self._asked, "limit": _PART}
        if before.next is not None:
            body |= {"after": before.next, "began": before.began}
        written: dict[str, tuple[int, str]] = {}
        manifest: Part | None = None
        with (
            self._server.ask("POST", "/v1/sessions/batch/export", accept=_TAR, body=body) as answer,
            tarfile.open(fileobj=cast("IO[bytes]", answer), mode="r|", bufsize=READ) as archive,
        ):
            for member in archive:
                content = archive.extractfile(member)
                if content is None or not is_ours(member.name):
                    raise Failure(f"The server sent {member.name!r}, which is no export.")
                if member.name == MANIFEST:
                    manifest = _part(content.read())
                    continue
                path = self._folder / member.name
                path.parent.mkdir(exist_ok=True)
                written[member.name] = _write(path, _pieces(content))
        if manifest is None:
            raise Failure("The server has ended the answer half-way; run the command again.")
        for one in manifest.files:
            if written.get(one["name"]) != (one["bytes"], one["sha256"]):
                raise Failure(f"{one['name']} came otherwise than it was sent; run it again.")
        for one in manifest.blobs:
            came = written.get(one["name"])
            if came is None or f"blobs/{came[1]}" != one["name"]:
                raise Failure(f"{one['name']} came otherwise than it was sent; run it again.")
        return manifest


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(READ):
        yield piece
