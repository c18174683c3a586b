"""Routes for those who run the server: repair, recovery, erasure, transfers, health."""
