"""Sessions of OpenAI Agents."""
