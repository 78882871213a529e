"""Sessions as a source of requests: contexts that grow by tokens or messages, and the prompts they become."""
