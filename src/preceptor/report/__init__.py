"""From results to a page that a sceptic accepts."""
