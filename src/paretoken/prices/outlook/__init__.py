"""What comes: trends of dated runs, and scenarios played through to cost and break-even."""
