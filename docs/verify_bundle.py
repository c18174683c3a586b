"""Verify a bundle that `cairn export` made, with Python alone; `verify.py` must lie beside this.
    verify_bundle.py PATH               a folder, a .tar or a .tar.zst
    verify_bundle.py PATH CHECKPOINT…   and what was signed before it was made

Each file is what the manifest says, each log is one whole chain to the end that its header names,
and when it is a bundle of all that there was, the signed events are all there: those of the
checkpoint in its manifest, and those of each older one. Whether the signature is good is said by
`verify.py checkpoint`. Before Python 3.14 what is compressed needs the
package backports.zstd. The exit status is 0 when it holds, else 1.
"""

import io
import json
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from verify import log, need, session, sha


def unpacked(data: bytes) -> bytes:
    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    try:
        from compression.zstd import decompress
    except ImportError:
        from backports.zstd import decompress
    return decompress(data)


def bundle(path: Path, checkpoints: list[str], work: Path) -> str:
    if not path.is_dir():
        with tarfile.open(fileobj=io.BytesIO(unpacked(path.read_bytes()))) as archive:
            archive.extractall(path := work / "bundle", filter="data")
    need((path / "manifest.json").is_file(), "there is no manifest")
    told = json.loads((path / "manifest.json").read_bytes())
    there = {one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()}
    named = {one["name"] for one in told["files"]}
    blobs = {one["name"] for one in told.get("blobs", [])}
    files = there - {"manifest.json", "checkpoint"}
    need(named | blobs == files, "the manifest names other files")
    for one in blobs:
        need(sha((path / one).read_bytes()).hex() == one[6:], f"{one} is not what it was")
    one_log, all_logs, events = work / "one", work / "all", 0
    for one in told["files"]:
        data = (path / one["name"]).read_bytes()
        found = len(data), sha(data).hex()
        need(found == (one["bytes"], one["sha256"]), f"{one['name']} is not what was exported")
        one_log.write_bytes(unpacked(data))
        head, _, lines = unpacked(data).partition(b"\n")
        header = json.loads(head)
        end = f"{header['head']} events, the last digest is {header['digest']}"
        need(session(str(one_log)) == end, f"{one['name']} is longer or shorter than it says")
        events += header["head"]
        with all_logs.open("ab") as file:
            file.write(lines)
    said = f"{len(named)} logs, {events} events" + (f", {len(blobs)} blobs" if blobs else "")
    need(told["whole"] or not checkpoints, "it is not a bundle of all that there was")
    if told["whole"] and told["checkpoint"]:
        (note := work / "note").write_text(told["checkpoint"])
        checkpoints = [str(note), *checkpoints]
    return "; ".join([said, *(log(one, str(all_logs)) for one in checkpoints)])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with TemporaryDirectory() as work:
        try:
            print("HOLDS:", bundle(Path(sys.argv[1]), sys.argv[2:], Path(work)))
        except Exception as error:  # noqa: BLE001 - a stranger's file may hold anything
            sys.exit(f"CANNOT BE CHECKED: {error!r}")
