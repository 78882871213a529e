"""Questions and their answers: the one room that joins points with prices."""
