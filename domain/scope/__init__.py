"""The keys that sessions share: all of an app (`app:`), or those of one user of it (`user:`)."""
