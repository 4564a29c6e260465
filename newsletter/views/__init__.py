"""What everybody may see: the pages, the feeds, and a reader's digest behind its link."""
