"""A study: its file, its plan, its arms and cells, its run."""
