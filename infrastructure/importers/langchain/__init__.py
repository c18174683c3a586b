"""Chats of LangChain."""
