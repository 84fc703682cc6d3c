"""The same thousand numbers as tuple, list, array, and in objects with slots: what each truly costs."""
import array
import sys


class Slots:
    __slots__ = 'a', 'b', 'c'


numbers = tuple(range(1000, 2000))
a = b = c = d = n = None
a = tuple(list(numbers))  # tuple
b = list(numbers)  # list
c = array.array('l', numbers)  # array
d = [None] * 1000
for n in range(1000):
    d[n] = Slots()  # slots
print(sys.getsizeof(a), sys.getsizeof(b), sys.getsizeof(c), sys.getsizeof(d[0]) * 1000)
