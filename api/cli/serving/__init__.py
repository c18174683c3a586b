"""The process that serves: sockets, workers, and the supervisor over them."""
