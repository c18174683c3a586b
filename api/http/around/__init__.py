"""What stands around every request, whatever it asks."""
