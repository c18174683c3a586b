"""Who may enter, and how much they may ask for."""
