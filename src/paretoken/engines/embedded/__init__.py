"""The small real engine that comes with paretoken: a random Llama in llama.cpp."""
