"""Sessions on their way out and in: export files, bundles of them, and what other systems kept."""
