"""Tuning: the same rows, model and updates through Preceptor, TRL and a plain loop."""
