"""Sessions of an agent as graphs of model calls and tool calls: read, generated, flattened, and what prompts share."""
