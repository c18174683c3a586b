"""Keys in files, and what is signed and sealed with them."""
