"""The sources that can be imported, by their names."""

from collections.abc import Callable, Iterator, Mapping

from application.transfer.foreign import ForeignSession
from infrastructure.importers.adk import read_adk
from infrastructure.importers.choices import Choices
from infrastructure.importers.claude_code import read_claude_code
from infrastructure.importers.codex import read_codex
from infrastructure.importers.langgraph import read_langgraph
from infrastructure.importers.openai_agents import read_openai_agents

Reader = Callable[[str, Choices], Iterator[ForeignSession]]

READERS: Mapping[str, Reader] = {
    "adk": read_adk,
    "claude-code": read_claude_code,
    "codex": read_codex,
    "langgraph": read_langgraph,
    "openai-agents": read_openai_agents,
}
