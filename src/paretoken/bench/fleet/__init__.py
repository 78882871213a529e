"""Many load generators on many nodes against one endpoint: one start, and one result as of one big client."""
