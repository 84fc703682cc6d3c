# SPDX-License-Identifier: Apache-2.0
"""An interpreter within: argv[1] "own" gives it a GIL of its own, where that can be had."""
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


class InMain:
    pass


def make(own):
    if sys.version_info >= (3, 13):
        return interpreters.create('isolated' if own else 'legacy')
    return interpreters.create(isolated=own) if sys.version_info >= (3, 9) else interpreters.create()


kept = InMain()
run = getattr(interpreters, 'exec', None) or interpreters.run_string
inner = make(sys.argv[1] == 'own')  # it ends when nobody has its number any more
run(inner, 'class InSub: pass\nkept = InSub()\nkept.held = [InSub() for _ in range(5)]\n')
