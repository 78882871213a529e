"""The prefix cache of an engine: blocks in GPU memory, host memory and SSD, and what requests find in them."""
