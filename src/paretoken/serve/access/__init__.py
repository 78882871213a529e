"""Who may ask, which files a question may read, and how much it may compute."""
