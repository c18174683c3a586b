"""Requests that wait for a person, and the rules that decide without one."""
