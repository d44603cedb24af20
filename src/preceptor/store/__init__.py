"""The run folder on disk: atomic writes, fingerprints, parts and tables."""
