"""Examples: what they are, where they come from, how they are split."""
