"""Code objects that are made and die by the hundred, so that their addresses serve again."""
import gc
from truth import *

SOURCE = 'def f():\n%s    p = make(%d)\n    say(%d)\n'


def say(n):
    f = sys._getframe(1)
    import truth
    truth._add(f, 'malloc', n, 1, n, 1, -1, None)
    truth._stacks.append([caller_stack(2), 'malloc', n])
    truth._stacks[-1][0][0][1] -= 1


for n in range(1, 400):
    space = {'make': helper.truth_malloc, 'say': say}
    exec(compile(SOURCE % ('    pass\n' * (n % 7), n, n), '<made %d>' % n, 'exec'), space)
    space['f']()
    del space
    if n % 100 == 0:
        gc.collect()
assert eval('make(3)', {'make': helper.truth_malloc})
done()
