"""Price lists of clouds in the forms in which they are published, read as rows of the price book."""
