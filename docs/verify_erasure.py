"""Verify the proof of an erasure, with Python alone; `verify.py` must lie beside this.
    verify_erasure.py FILE    what `cairn erase --proof FILE` or GET /v1/sessions/ID/erasure gave

Each log in it is one whole chain in which an event says that what is gone was erased, that event is
in the tree that was signed, and this tree goes on from the one that was signed before. Whether the
signatures are good is said by `verify.py checkpoint`. The exit status is 0 when it holds, else 1.
"""

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from verify import consistency, head, inclusion, need, session


def erasure(proof: bytes, work: Path) -> str:
    first, *logs = re.split(rb'(?m)^(?=\{"cairn_export")', proof)
    need(first.startswith(b'{"cairn_erasure"') and logs, "it is no proof of an erasure")
    told = json.loads(first)

    def file_of(content: str | bytes) -> str:
        (work / "file").write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(work / "file")

    signed = {}
    for name in ("checkpoint_before", "checkpoint"):
        if told[name]:
            _, _, size, root, _ = head(file_of(told[name]))
            signed[name] = size, root
    said, events = [], set()
    for log in logs:
        header = json.loads(log.partition(b"\n")[0])
        said.append(f"{header['session_id']} has {session(file_of(log))}")
        events |= set(re.findall(rb'"position":(\d+),"digest":"([0-9a-f]{64})"', log))
    need(len(told["inclusion"]) == len(logs), "it has not one proof for each log")
    for one in told["inclusion"]:
        event = b"%d" % one["position"], one["digest"].encode()
        need(event in events, "it proves the place of another event")
        said.append(inclusion(file_of(json.dumps(one))))
        if "checkpoint" in signed:
            need((one["size"], one["root"]) == signed["checkpoint"], "that tree was not signed")
    if len(signed) == 2:
        need(one := told["consistency"], "it has no proof that the later tree goes on")
        said.append(consistency(file_of(json.dumps(one))))
        before, after = (one["from"], one["from_root"]), (one["to"], one["to_root"])
        need((before, after) == (*signed.values(),), "these trees were not signed")
    return "\n".join(said)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with TemporaryDirectory() as folder:
        try:
            print("HOLDS:", erasure(Path(sys.argv[1]).read_bytes(), Path(folder)))
        except Exception as error:  # noqa: BLE001 - a stranger's file may hold anything
            sys.exit(f"CANNOT BE CHECKED: {error!r}")
