"""The online benchmark: arrivals, prompts, the streaming client, sweeps, steady state, metrics."""
