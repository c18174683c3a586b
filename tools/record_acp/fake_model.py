"""A model that follows a script, behind an OpenAI-compatible endpoint on loopback.

The agent under recording is real; only the model is played. What it says, thinks and calls, turn
by turn, is `CONVERSATION` (and `HELPERS`, for the sub-agents that the agent starts). Everything is
streamed in small deltas, the arguments of tool calls too, at a pace a person can watch.
"""

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

MODEL = "scripted-coder"
WORKSPACE = "/workspace/demo"

JsonObject = dict[str, Any]

# ── the script ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model calls."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The endpoint answers with an HTTP error instead."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of the model: what it thinks, says and calls, in this order.

    Args:
        thought: The reasoning, streamed first.
        text: The answer.
        calls: The tools to call; the agent comes back with their results.
        pace: How much slower than usual the answer is streamed.
    """

    thought: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    pace: float = 1.0


@dataclass(frozen=True, slots=True)
class Script:
    """What the model does, request by request, after one prompt."""

    prompt: str
    steps: tuple[Step | Refusal, ...]


def _path(name: str) -> str:
    return f"{WORKSPACE}/{name}"


def _shell(command: str, description: str) -> Call:
    return Call(
        "run_shell_command",
        {"command": command, "description": description, "is_background": False},
    )


def _read(name: str) -> Call:
    return Call("read_file", {"file_path": _path(name)})


def _write(name: str, content: str) -> Call:
    return Call("write_file", {"file_path": _path(name), "content": content})


def _edit(name: str, old: str, new: str) -> Call:
    return Call("edit", {"file_path": _path(name), "old_string": old, "new_string": new})


def _plan(done: int, *items: str, working: bool = True) -> Call:
    def status(index: int) -> str:
        if index < done:
            return "completed"
        return "in_progress" if working and index == done else "pending"

    return Call(
        "todo_write",
        {
            "todos": [
                {"id": str(index + 1), "content": item, "status": status(index)}
                for index, item in enumerate(items)
            ]
        },
    )


_TESTS = _shell("python3 -m unittest -v", "Run the tests")

_MODULE = '''"""Durations such as "1h30m" as seconds."""

import re

UNITS = {"h": 3600, "m": 60, "s": 1}


def parse_duration(text: str) -> int:
    """Return the number of seconds that `text` stands for."""
    total = 0
    for number, unit in re.findall(r"(\\d+)([hms])", text):
        total += int(number) * UNITS[unit]
    return total
'''

_TEST_MODULE = """import unittest

from duration import parse_duration


class ParseDuration(unittest.TestCase):
    def test_one_unit(self):
        self.assertEqual(parse_duration("45s"), 45)

    def test_several_units(self):
        self.assertEqual(parse_duration("1h30m"), 5400)

    def test_refuses_rubbish(self):
        with self.assertRaises(ValueError):
            parse_duration("1h soon")

    def test_refuses_nothing(self):
        with self.assertRaises(ValueError):
            parse_duration("")


if __name__ == "__main__":
    unittest.main()
"""

_LOOP = """    total = 0
    for number, unit in re.findall(r"(\\d+)([hms])", text):
        total += int(number) * UNITS[unit]
    return total
"""

_MATCHED = """    if not re.fullmatch(r"(\\d+[hms])+", text):
        raise ValueError(f"not a duration: {text!r}")
    total = 0
    for number, unit in re.findall(r"(\\d+)([hms])", text):
        total += int(number) * UNITS[unit]
    return total
"""

_ORDERED = """    match = re.fullmatch(r"(?:(\\d+)d)?(?:(\\d+)h)?(?:(\\d+)m)?(?:(\\d+)s)?", text)
    if not text or match is None:
        raise ValueError(f"not a duration: {text!r}")
    return sum(
        int(number) * size for number, size in zip(match.groups(), UNITS.values()) if number
    )
"""

_DAYS_LOOP = _MATCHED.replace("[hms]", "[dhms]")

_MAIN = '''

def main() -> int:
    """Print the seconds of the duration given on the command line."""
    try:
        print(parse_duration(sys.argv[1]))
    except (IndexError, ValueError) as error:
        print(f"duration: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''

_README = """# duration

Turns a duration such as `1h30m` into seconds. Standard library only.

    $ python3 duration.py 1h30m
    5400

Units are `d`, `h`, `m` and `s`, each at most once and in this order.
Anything else is refused with exit code 2.

Run the tests with `python3 -m unittest`.
"""

_EXPLANATION = """Gladly, from the top. The module has three parts, and each of them is there for \
one reason.

First the table. `UNITS` maps the letter of a unit to the seconds it stands for. Keeping it in \
one place means that the pattern and the arithmetic cannot disagree about which units exist, and \
a new unit is one new line.

Then the guard. `re.fullmatch` asks whether the text is a run of numbers and units from its first \
character to its last. `re.findall` alone would have skipped whatever it does not know, which is \
how "1h soon" came to be one hour. With the guard, anything that is not a duration is refused \
before a single number has been added up.

Then the sum. `findall` gives pairs of a number and a unit. Every number is multiplied by the \
size of its unit and added to the total. The order of the units does not matter at this point, \
and a unit that is given twice counts twice, which one may or may not want. If we were to be \
strict about it, the pattern would have to name every unit once, in order, and each of them \
would be optional.

Finally the command line. It is deliberately thin: it reads one argument, prints one number and \
turns an exception into a line on standard error and exit code 2, so that a shell script can tell \
success from failure without reading what was printed. Everything else is left to the function, \
because that is the part the tests can reach."""

_T1 = ("Look at the workspace", "Write duration.py", "Check what was written")
_T2 = ("Write the tests", "Run them", "Fix what fails")
_T3 = ("Add the command line", "Try it by hand", "Support days", "Run the tests again")
_T6 = ("Have it reviewed", "Write tests for the findings", "Make them pass")
_T8 = ("Write README.md", "Run everything once more", "Sum up")

_REVIEW_PROMPT = (
    "Review duration.py and test_duration.py in the workspace. Look for inputs that are accepted "
    "but should not be. Do not change any file; report the findings as a short list."
)

HELPERS: tuple[Script, ...] = (
    Script(
        _REVIEW_PROMPT,
        (
            Step(
                thought="A review without changes. Which files are there?",
                calls=(Call("glob", {"pattern": "**/*.py"}),),
            ),
            Step(
                thought="Two files, both small. Read both before judging either.",
                calls=(_read("duration.py"), _read("test_duration.py")),
            ),
            Step(
                thought="The pattern is a run of number and unit, so the order is free and a "
                "unit can come twice. I should show that, not claim it.",
                text="I will try the inputs that look suspicious.",
                calls=(
                    _shell(
                        "python3 -c \"import duration; print(duration.parse_duration('5m1h'), "
                        "duration.parse_duration('1h1h'))\"",
                        "Try units out of order and twice",
                    ),
                ),
            ),
            Step(
                thought="Both are accepted. And what about digits that are not ASCII?",
                calls=(
                    Call("grep_search", {"pattern": r"\\d", "path": WORKSPACE, "glob": "*.py"}),
                ),
            ),
            Step(
                text="Findings:\n"
                "1. `5m1h` is accepted although the units are out of order.\n"
                "2. `1h1h` is accepted and counts twice.\n"
                "3. No test covers either of them.\n"
                "Nothing else stood out.",
            ),
        ),
    ),
)

CONVERSATION: tuple[Script, ...] = (
    Script(
        'Write a small Python module duration.py with a function parse_duration("1h30m") that '
        "returns seconds. Standard library only. Make a plan first.",
        (
            Step(
                thought="The user wants a small module and a plan first. Let me see whether the "
                "workspace has anything in it already.",
                text="I'll start with a look at the workspace and a short plan.",
                calls=(_plan(0, *_T1), Call("list_directory", {"path": WORKSPACE})),
            ),
            Step(
                thought="Empty. There may still be notes somewhere that say how the project "
                "wants things done.",
                calls=(
                    Call("glob", {"pattern": "**/*.toml"}),
                    _read("NOTES.md"),
                ),
            ),
            Step(
                thought="No notes, no configuration. A table of units and a regular expression "
                "will do. I will write the module now.",
                text="The workspace is empty, so nothing constrains us. I'll write the module.",
                calls=(_plan(1, *_T1), _write("duration.py", _MODULE)),
            ),
            Step(
                thought="Written. Read it back and try the example from the request.",
                calls=(
                    _plan(2, *_T1),
                    _read("duration.py"),
                    _shell(
                        "python3 -c \"import duration; print(duration.parse_duration('1h30m'))\"",
                        "Try the example from the request",
                    ),
                ),
            ),
            Step(
                thought="5400 is right: one hour is 3600 and thirty minutes are 1800.",
                calls=(_plan(3, *_T1),),
            ),
            Step(
                text='`duration.py` is in place. `parse_duration("1h30m")` gives 5400, as it '
                "should. It knows hours, minutes and seconds; a further unit is one more line in "
                "the table.",
            ),
        ),
    ),
    Script(
        "Now add tests and run them. Please cover bad input too.",
        (
            Step(
                thought="Tests next. pytest would be the usual choice; is it installed?",
                text="I'll use pytest if I may install it.",
                calls=(
                    _plan(0, *_T2),
                    _shell("python3 -m pip install pytest", "Install pytest"),
                ),
            ),
            Step(
                thought="The user does not want anything installed, and said standard library "
                "only before. I should have remembered. unittest it is.",
                text="Understood, nothing gets installed. The standard `unittest` is enough.",
                calls=(_write("test_duration.py", _TEST_MODULE), _plan(1, *_T2)),
            ),
            Step(
                thought="Now run them.",
                calls=(_TESTS,),
            ),
            Step(
                thought="Two failures, both about bad input: findall skips whatever it does not "
                "know. The module is wrong, not the tests.",
                text="Two tests fail, and rightly so: the parser ignores what it does not "
                "understand instead of refusing it. I'll fix the parser.",
                calls=(
                    _plan(2, *_T2),
                    _edit(
                        "duration.py",
                        '    total = 0\n    for number, unit in UNITS.findall("(\\d+)", text):\n',
                        _MATCHED,
                    ),
                ),
            ),
            Step(
                thought="I quoted the line from memory and got it wrong. Look before editing.",
                calls=(
                    Call("grep_search", {"pattern": "findall", "path": WORKSPACE}),
                    _read("duration.py"),
                ),
            ),
            Step(
                thought="There it is. Check the whole text with fullmatch before adding up.",
                calls=(_edit("duration.py", _LOOP, _MATCHED),),
            ),
            Step(
                thought="And again.",
                calls=(_TESTS,),
            ),
            Step(
                thought="All four pass.",
                calls=(_plan(3, *_T2),),
            ),
            Step(
                text="All four tests pass now. The parser used to skip anything it did not know, "
                'so `"1h soon"` was an hour and the empty string was zero; both raise '
                "`ValueError` now.",
            ),
        ),
    ),
    Script(
        "Good. I want to call it from the shell as well: python3 duration.py 1h30m. And it "
        "should know days.",
        (
            Step(
                thought="Two changes: a main function, and d as a unit. One at a time, so that a "
                "failure points to one of them.",
                text="Two small changes, one after the other.",
                calls=(_plan(0, *_T3), _read("duration.py")),
            ),
            Step(
                thought="main needs sys for the argument and for the exit code.",
                calls=(_edit("duration.py", "import re\n", "import re\nimport sys\n"),),
            ),
            Step(
                thought="Now the function at the end of the file.",
                calls=(
                    _edit("duration.py", "    return total\n", f"    return total\n{_MAIN}"),
                    _plan(1, *_T3),
                ),
            ),
            Step(
                thought="Try a good one and a bad one.",
                calls=(
                    _shell("python3 duration.py 1h30m", "Try a good duration"),
                    _shell("python3 duration.py soon; echo exit $?", "Try a bad one"),
                ),
            ),
            Step(
                thought="5400, and a clear refusal with exit code 2. Now days.",
                text="The command line works: a number for a duration, exit code 2 for anything "
                "else. Now days.",
                calls=(
                    _plan(2, *_T3),
                    _edit("duration.py", 'UNITS = {"h"', 'UNITS = {"d": 86400, "h"'),
                    _edit("duration.py", _MATCHED, _DAYS_LOOP),
                ),
            ),
            Step(
                thought="And a test for it.",
                calls=(
                    _edit(
                        "test_duration.py",
                        "    def test_refuses_rubbish(self):\n",
                        "    def test_days(self):\n"
                        '        self.assertEqual(parse_duration("2d"), 172800)\n\n'
                        "    def test_refuses_rubbish(self):\n",
                    ),
                    _plan(3, *_T3),
                ),
            ),
            Step(calls=(_TESTS,)),
            Step(
                thought="Five pass.",
                calls=(_plan(4, *_T3),),
            ),
            Step(
                text="Done: `python3 duration.py 1h30m` prints 5400, days are known as `d`, and "
                "there is a test for them. Five tests, all passing.",
            ),
        ),
    ),
    Script(
        "Explain to me how the whole module works, in detail.",
        (
            Step(
                thought="A thorough explanation, then: the table, the guard, the sum and the "
                "command line, in the order of the file.",
                text=_EXPLANATION,
                pace=2.5,
            ),
        ),
    ),
    Script(
        "Shorter, please. Two sentences.",
        (
            Step(
                thought="They stopped me because it was too long. Two sentences, no more.",
                text="The text must be nothing but numbers followed by a unit, or it is refused. "
                "Each number is multiplied by the seconds of its unit and the results are added "
                "up.",
            ),
        ),
    ),
    Script(
        "Let a second pair of eyes review it, and fix what they find.",
        (
            Step(
                thought="A sub-agent can review without what I believe about the code.",
                text="I'll hand it to a reviewer that has not seen our conversation.",
                calls=(
                    _plan(0, *_T6),
                    Call(
                        "agent",
                        {
                            "description": "Review the module",
                            "prompt": _REVIEW_PROMPT,
                            "subagent_type": "general-purpose",
                        },
                    ),
                ),
            ),
            Step(
                thought="Fair findings: order and repetition. Tests first, so that I see them "
                "fail.",
                text="The reviewer found that `5m1h` and `1h1h` are accepted. I'll write the "
                "tests first.",
                calls=(
                    _plan(1, *_T6),
                    _edit(
                        "test_duration.py",
                        "    def test_refuses_nothing(self):\n",
                        "    def test_refuses_units_out_of_order_or_twice(self):\n"
                        '        for text in ("5m1h", "1h1h"):\n'
                        "            with self.subTest(text), self.assertRaises(ValueError):\n"
                        "                parse_duration(text)\n\n"
                        "    def test_refuses_nothing(self):\n",
                    ),
                    _TESTS,
                ),
            ),
            Step(
                thought="They fail as they should. One optional group per unit, in order.",
                calls=(
                    _plan(2, *_T6),
                    _edit("duration.py", _DAYS_LOOP, _ORDERED),
                    _TESTS,
                ),
            ),
            Step(
                thought="Everything passes. A look at the final file to be sure of it.",
                calls=(_plan(3, *_T6), _read("duration.py")),
            ),
            Step(
                text="Both findings are fixed: the pattern names every unit once and in order, so "
                "`5m1h` and `1h1h` are refused. Six tests, all passing.",
            ),
        ),
    ),
    Script(
        "Write a short README and then sum up what we have.",
        (
            Step(
                thought="A README with one example, the units and how to run the tests. Check "
                "the file list first.",
                text="I'll check what belongs into it.",
                calls=(
                    _plan(0, *_T8),
                    Call("list_directory", {"path": WORKSPACE}),
                    _shell("wc -l duration.py test_duration.py", "Count the lines"),
                ),
            ),
            Refusal(402, "insufficient_quota", "The demo key has no credits left."),
        ),
    ),
    Script(
        "I have topped up the credits. Carry on.",
        (
            Step(
                thought="Where was I? The plan says README.md, then everything once more.",
                text="Thank you. On with the README.",
                calls=(_plan(0, *_T8), _write("README.md", _README)),
            ),
            Step(
                thought="Does every example in it hold? Run the one I quoted, and the tests.",
                calls=(
                    _plan(1, *_T8),
                    _shell("python3 duration.py 1h30m", "Run the example of the README"),
                    _shell("python3 duration.py 5m1h; echo exit $?", "Run the refusal"),
                    _TESTS,
                ),
            ),
            Step(
                thought="All true. Is anything left over that should not be there?",
                calls=(Call("glob", {"pattern": "**/*"}), _plan(3, *_T8)),
            ),
            Step(
                text="Here is what we have:\n\n"
                "- `duration.py`: `parse_duration` for days, hours, minutes and seconds, strict "
                "about order and repetition, and a small command line.\n"
                "- `test_duration.py`: six tests with the standard `unittest`, all passing.\n"
                "- `README.md`: one example, the units and how to run the tests.\n\n"
                "Nothing was installed and nothing else was left behind.",
            ),
        ),
    ),
)

# ── the endpoint ─────────────────────────────────────────────────────────────────────────────

_FIRST_TOKEN = 0.35
_BETWEEN = 0.03
_WORDS = 2
_FRAGMENT = 160


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into deltas of a few words each; joined they are the text again."""
    words = re.findall(r"\s*\S+|\s+$", text)
    for start in range(0, len(words), _WORDS):
        yield "".join(words[start : start + _WORDS])


def _tokens(text: str) -> int:
    return -(-len(text) // 4)


def _mentions(message: Mapping[str, Any], prompt: str) -> bool:
    content = message.get("content")
    if isinstance(content, str):
        return prompt in content
    return any(prompt in part.get("text", "") for part in content or ())


class FakeModel:
    """Serves the script on a free loopback port while it is entered as a context."""

    def __init__(self) -> None:
        self.requests = 0
        self.unscripted = 0
        self._served: Counter[str] = Counter()
        self._calls = 0
        self._cached: Counter[bool] = Counter()
        self._random = random.Random(7)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def base_url(self) -> str:
        """What the agent is given as the address of the model."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self, messages: list[JsonObject]) -> tuple[Step | Refusal, int, bool]:
        """Choose the answer by the last prompt of the user and by how often it was answered.

        Returns:
            The answer, the number of its first tool call, and whether a sub-agent asked.
        """
        with self._lock:
            self.requests += 1
            asked = [message for message in messages if message.get("role") == "user"]
            for script in (*HELPERS, *CONVERSATION):
                if asked and _mentions(asked[-1], script.prompt):
                    index = self._served[script.prompt]
                    self._served[script.prompt] += 1
                    step = script.steps[min(index, len(script.steps) - 1)]
                    first = self._calls
                    self._calls += len(step.calls) if isinstance(step, Step) else 0
                    return step, first, script in HELPERS
            self.unscripted += 1
            return Step(text="Nothing to add."), self._calls, True

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds * self._random.uniform(0.6, 1.6))

    def _deltas(self, step: Step, first_call: int) -> Iterator[JsonObject]:
        for piece in _pieces(step.thought):
            yield {"reasoning_content": piece}
        for piece in _pieces(step.text):
            yield {"content": piece}
        for index, call in enumerate(step.calls):
            arguments = json.dumps(call.arguments)
            yield {
                "tool_calls": [
                    {
                        "index": index,
                        "id": f"call_{first_call + index + 1:03}",
                        "type": "function",
                        "function": {"name": call.name, "arguments": ""},
                    }
                ]
            }
            for start in range(0, len(arguments), _FRAGMENT):
                fragment = arguments[start : start + _FRAGMENT]
                yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}

    def _usage(self, step: Step, prompt_tokens: int, helper: bool) -> JsonObject:
        reasoning = _tokens(step.thought)
        calls = sum(_tokens(json.dumps(call.arguments)) + 12 for call in step.calls)
        completion = reasoning + _tokens(step.text) + calls
        cached = min(self._cached[helper], prompt_tokens)
        self._cached[helper] = prompt_tokens // 128 * 128
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                """Say nothing: standard error belongs to the recorder."""

            def do_GET(self) -> None:
                self._json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = json.loads(body)
                step, first_call, helper = model._next(request["messages"])
                model._wait(_FIRST_TOKEN)
                if isinstance(step, Refusal):
                    error = {"message": step.message, "code": step.code, "type": step.code}
                    self._json(step.status, {"error": error})
                    return
                usage = model._usage(step, len(body) // 4, helper)
                if not request.get("stream"):
                    message = {"role": "assistant", "content": step.text}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    answer = self._envelope("chat.completion", [choice])
                    self._json(200, {**answer, "usage": usage})
                    return
                with suppress(BrokenPipeError, ConnectionResetError):  # its turn was cancelled
                    self._stream(step, first_call, usage)
                self.close_connection = True

            def _stream(self, step: Step, first_call: int, usage: JsonObject) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                for delta in model._deltas(step, first_call):
                    self._chunk({"role": "assistant", **delta}, None)
                    model._wait(_BETWEEN * step.pace)
                self._chunk({}, "tool_calls" if step.calls else "stop")
                self._event(self._envelope("chat.completion.chunk", []) | {"usage": usage})
                self.wfile.write(b"data: [DONE]\n\n")

            def _envelope(self, kind: str, choices: list[JsonObject]) -> JsonObject:
                number = f"answer-{model.requests}"
                return {
                    "id": number,
                    "created": 1,
                    "model": MODEL,
                    "object": kind,
                    "choices": choices,
                }

            def _chunk(self, delta: JsonObject, finish: str | None) -> None:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                self._event(self._envelope("chat.completion.chunk", [choice]))

            def _event(self, data: JsonObject) -> None:
                self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
                self.wfile.flush()

            def _json(self, status: int, data: JsonObject) -> None:
                body = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
