"""What every store promises, written once; and what only the database can promise."""
