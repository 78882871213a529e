"""The APIs that an emulated server speaks: how each is read, and how an answer looks in it."""
