"""The report of a run: one page, its figures as SVG and its tables as CSV."""
