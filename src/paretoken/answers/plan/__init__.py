"""`plan`: from traffic to a fleet, a bill and a decision."""
