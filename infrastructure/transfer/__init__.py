"""Export files and bundles as bytes: folders, archives, compression, and their bounds."""
