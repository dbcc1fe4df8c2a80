"""What the desk keeps on disk: the journal, its projections for people, and the instrument master."""
