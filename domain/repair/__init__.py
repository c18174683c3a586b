"""What is wrong with a log, and what could be appended to close what a crash left open."""
