"""The same sources are compiled and run again and again: code objects, functions and classes come and go."""
import time

SOURCE = '''
class Rule:
    limit = {n}

    def applies(self, value):
        return any(value > self.limit + i for i in range(3))

results = [Rule().applies(v) for v in range(5)]
'''
for number in range(500):
    space = {}
    exec(compile(SOURCE.format(n=number % 10), "<rule %d>" % (number % 10), "exec"), space)
    assert len(space["results"]) == 5
    eval("sum(x * %d for x in range(4))" % (number % 6))
    time.sleep(0.004)
