"""What follows from the log, made anew beside what is read."""
