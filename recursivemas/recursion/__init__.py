"""The recursion: rounds of thinking over a style's graph, and the text that the last agent writes."""
