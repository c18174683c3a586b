"""Who was let read what only the privileged may, such as the log as a whole."""
