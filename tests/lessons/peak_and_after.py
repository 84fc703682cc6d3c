"""What memory_profiler's lines show: a line that makes much and gives it back, one that keeps a little."""


def work():
    much = [bytes(1000) for i in range(20000)]  # much
    little = much[:100]
    del much
    return little


kept = work()
