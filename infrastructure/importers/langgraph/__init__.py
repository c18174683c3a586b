"""Threads of LangGraph."""
