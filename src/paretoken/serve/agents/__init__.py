"""The MCP server: every question as the tool of an agent."""
