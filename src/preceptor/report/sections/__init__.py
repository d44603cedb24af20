"""What the page shows: one file for each table, figure or list of sentences."""
