"""The processes that compute answers: how many, for how long, and for whom."""
