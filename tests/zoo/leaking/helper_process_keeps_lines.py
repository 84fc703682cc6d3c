"""A helper process, started with subprocess, keeps each line of its input; the main program is clean.

verdict: growth
"""
import subprocess
import sys
import time


class Formatter:
    def __init__(self):
        self.undo = []

    def feed(self, line):
        words = line.split()  # leak
        self.undo.append(words)  # leak
        return ' '.join(w.capitalize() for w in words)


def child():
    formatter = Formatter()
    for line in sys.stdin:
        words = formatter.feed(line)
        sys.stdout.write(words + '\n')
        sys.stdout.flush()


def main():
    helper = subprocess.Popen([sys.executable, '-B', __file__, 'child'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              universal_newlines=True, bufsize=1)
    size = 0
    for n in range(3000):
        helper.stdin.write('the quick brown fox number %d jumps\n' % n)
        helper.stdin.flush()
        size += len(helper.stdout.readline())
        time.sleep(0.0005)
    helper.stdin.close()
    helper.wait()
    print(size)


if __name__ == '__main__':
    child() if sys.argv[1:] else main()
