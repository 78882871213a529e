"""An OpenAI-compatible endpoint that answers when a simulated engine would."""
