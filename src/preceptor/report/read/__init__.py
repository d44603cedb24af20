"""What the report reads: ``results.json`` and the files that it names, and how numbers stand."""
