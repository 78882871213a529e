"""The small real engine that paretoken can serve by itself: a random Llama in llama.cpp."""
