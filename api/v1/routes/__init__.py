"""The native routes, a file a topic; each turns a request into a command or a query."""
