"""Memory that does not go back: much is made, every 100th is kept, and each of those keeps its arena."""
much = [bytes(400) for i in range(120000)]  # much
kept = much[::100]
del much
