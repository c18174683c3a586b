"""What is answered: JSON, problems, streams and downloads."""
