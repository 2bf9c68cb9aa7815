"""What scripts/performance is made of: running, figures, sections of the document, plot."""
