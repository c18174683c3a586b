"""The sources that can be imported, by their names."""

from collections.abc import Callable, Iterator, Mapping

from application.transfer.foreign import ForeignSession
from infrastructure.importers.adk.reader import read_adk
from infrastructure.importers.agh.reader import read_agh
from infrastructure.importers.choices import Choices
from infrastructure.importers.claude_code.reader import read_claude_code
from infrastructure.importers.codex.reader import read_codex
from infrastructure.importers.docker_agent.reader import read_docker_agent
from infrastructure.importers.langchain.reader import read_langchain
from infrastructure.importers.langgraph.reader import read_langgraph
from infrastructure.importers.openai_agents.reader import read_openai_agents
from infrastructure.importers.pydantic_ai import read_pydantic_ai

Reader = Callable[[str, Choices], Iterator[ForeignSession]]

READERS: Mapping[str, Reader] = {
    "adk": read_adk,
    "agh": read_agh,
    "claude-code": read_claude_code,
    "codex": read_codex,
    "docker-agent": read_docker_agent,
    "langchain": read_langchain,
    "langgraph": read_langgraph,
    "openai-agents": read_openai_agents,
    "pydantic-ai": read_pydantic_ai,
}
