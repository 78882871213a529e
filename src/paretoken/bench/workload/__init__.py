"""What is sent and when: arrivals, lengths, prompts, conversations, traces, request bodies."""
