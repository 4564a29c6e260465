"""Public pages, feeds, and a reader's digest behind its link."""
