"""What happens in turns: messages, inputs, requests to people."""
