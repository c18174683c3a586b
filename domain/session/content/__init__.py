"""What a session holds: messages, summaries, the transcript, state keys, its description."""
