"""A code object with thousands of lines, far lines and far columns: its line table comes in several parts."""
from truth import *

lines = []
for n in range(1, 3001):
    lines.append('%smake(%d)' % ('\n' * (n % 11), n))
    if n % 500 == 0:
        lines.append('\n' * 700)
    if n % 97 == 0:
        lines.append('0 if 0 else %smake(%d)' % ('(0) + 1 and ' * 30, 5000 + n))
source = '\n'.join(lines) + '\n'
numbers = {}
for number, text in enumerate(source.splitlines(), 1):
    if 'make(' in text:
        numbers[number] = int(text.split('make(')[1][:-1])
code = compile(source, '<long>', 'exec')
exec(code, {'make': helper.truth_malloc})
import truth
for number, size in numbers.items():
    truth._rows['<long>', number, 'malloc', None] = [size, 1, size, 1]
done()
