"""How appends are written: gathered into batches, sent, and judged when one is refused."""
