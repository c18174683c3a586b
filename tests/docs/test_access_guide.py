"""The examples of the guide to access work as they stand."""

import json
import os
import shlex
import sys
from pathlib import Path

from tests.support.docs import agrees, examples, last_json, shell
from tests.support.server import running

GUIDE = "docs/access.md"


def test_the_examples_work_and_say_what_is_shown(database_url: str) -> None:
    shown_at_all = 0
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with running(database_url) as base, shell() as sh:
        sh.run(f"export PATH={shlex.quote(path)} CAIRN_DATABASE_URL={shlex.quote(database_url)}")
        for example in examples(GUIDE):
            said = sh.run(example.commands.replace("http://127.0.0.1:8080", base))
            if example.shown:
                assert agrees(json.loads(example.shown), last_json(said)), said
                shown_at_all += 1
    assert shown_at_all == 1
