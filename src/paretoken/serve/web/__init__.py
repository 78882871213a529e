"""What all pages share: their frame, their files, and what they show where something fails."""
