"""From states and rows to the JSON that clients see."""
