"""How many replicas of which deployment serve a traffic within its limits, hour by hour."""
