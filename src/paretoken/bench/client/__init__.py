"""The hot path: connections, time stamps, parsing, workers, the journal and the client's own proof."""
