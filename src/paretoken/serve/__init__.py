"""The local web app, the HTTP API and the MCP server: every verb that asks, over HTTP and for agents."""
