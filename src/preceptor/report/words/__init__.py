"""What is said of a comparison, in words that follow from its numbers."""
