"""Load generators on many nodes against one endpoint: a common start, and one result as from one large client."""
