"""What the hardware did while a server was measured: power, clocks, memory, temperature, throttling, energy."""
