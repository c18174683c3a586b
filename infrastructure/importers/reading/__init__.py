"""Files and databases of other systems, and the values in them."""
