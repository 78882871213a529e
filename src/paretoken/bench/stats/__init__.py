"""From request records to figures: metrics, steady window, intervals, objectives, summaries, comparison."""
