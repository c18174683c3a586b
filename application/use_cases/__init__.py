"""What a door may ask for, one file a topic."""
