"""The guide to auditing works as it stands, and its one file finds what is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from infrastructure.keys.audit_key_file import make_key
from tests.support.api import Api
from tests.support.docs import ROOT, examples, shell
from tests.support.server import running

GUIDE = "docs/audit.md"
CHECK = ROOT / "docs" / "verify.py"


def check(*arguments: object, isolated: bool = False) -> tuple[int, str]:
    flags = ["-I", "-S"] if isolated else []
    done = subprocess.run(
        [sys.executable, *flags, str(CHECK), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_stranger_can_do_what_the_guide_says(database_url: str, tmp_path: Path) -> None:
    assert len(CHECK.read_text("utf-8").splitlines()) < 150
    key = tmp_path / "audit.key"
    make_key(key, "audit.example.com/cairn")
    with running(database_url, audit_key_file=key) as base, shell() as sh:
        api = Api(base)
        session = api.create()
        for text in ("one", "two", "three"):
            session.say(text)
        sh.run(f"cairn={base}; id={session.id}; root='{ROOT}'; cd '{tmp_path}'")
        said = ""
        for example in examples(GUIDE):
            commands = example.commands.replace("docs/verify.py", '"$root/docs/verify.py"')
            said += sh.run(commands.replace("python3", f"'{sys.executable}'"))
        assert said.count("HOLDS:") == 5
        assert "DOES NOT" not in said
        (tmp_path / "export.jsonl").write_bytes(api.get(f"{session.path}/export").content)
        api.close()
    finds_what_is_wrong(tmp_path)


def finds_what_is_wrong(folder: Path) -> None:
    lines = (folder / "session.jsonl").read_bytes().splitlines(keepends=True)
    other = folder / "other"

    def refused(kind: str, content: bytes, *rest: object) -> None:
        other.write_bytes(content)
        status, said = check(kind, other, *rest)
        assert (status, said.startswith("DOES NOT HOLD")) == (1, True), said

    refused("session", b"".join(lines).replace(b"two", b"2wo"))
    refused("session", b"".join([lines[0], *lines[2:]]))
    refused("session", b"".join([lines[1], lines[0], *lines[2:]]))
    refused("session", b"".join(lines[1:]))
    export = (folder / "export.jsonl").read_bytes().splitlines(keepends=True)
    other.write_bytes(b"".join(export))
    assert check("session", other)[1].startswith(f"HOLDS: {len(export) - 1} events")
    refused("session", b"".join(export[:-1]))
    refused("session", b"")
    refused("session", b"junk\n")
    refused("log", (folder / "checkpoint").read_bytes(), folder / "proof.json")
    told: dict[str, Any] = json.loads((folder / "proof.json").read_bytes())
    for name, value in (("position", 2), ("root", "00" * 32), ("proof", []), ("size", 1)):
        refused("inclusion", json.dumps({**told, name: value}).encode())
    told = json.loads((folder / "grown.json").read_bytes())
    for name, value in (("from_root", "00" * 32), ("to_root", "00" * 32), ("proof", []), ("to", 0)):
        refused("consistency", json.dumps({**told, name: value}).encode())
    for kind in ("inclusion", "consistency"):
        # Such as the answer of a server that refuses.
        other.write_bytes(b'{"code": "beyond_the_log"}')
        status, said = check(kind, other)
        assert (status, said.startswith("CANNOT BE CHECKED: ")) == (1, True), said
    note = (folder / "checkpoint").read_bytes()
    refused("checkpoint", note.replace(b"\n4\n", b"\n5\n"), folder / "audit.pub")
    refused("checkpoint", note.replace(b"audit.", b"other.", 1), folder / "audit.pub")
    status, said = check("checkpoint", folder / "checkpoint", folder / "audit.pub", isolated=True)
    assert status == 0
    assert "SIGNATURE NOT CHECKED" in said
