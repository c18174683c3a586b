"""What the program can do, in terms of ports that `infrastructure` makes real."""
