"""One file per topic: what one function does with one input."""
