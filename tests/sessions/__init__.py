"""Sessions: forms, graphs and what prompts share."""
