"""Bodies and answers for those who run the server, and for auditors."""
