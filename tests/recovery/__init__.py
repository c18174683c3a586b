"""Recovery from outside: over HTTP and by the command."""
