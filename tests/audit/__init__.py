"""The log as evidence, from outside: over HTTP and by the command."""
