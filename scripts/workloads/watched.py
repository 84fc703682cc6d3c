# SPDX-License-Identifier: Apache-2.0
"""Changes the count of one object again and again, and makes objects: of a class that is watched, and of one that is not.

watched.py CHANGES LIVES: prints as JSON the CPU seconds that both took for each, watched and not, and how many there were.
PYTRACE_WATCH=type:__main__.Watched
"""
import json
import sys
import time


class Watched:
    __slots__ = ("held",)


class Other:
    __slots__ = ("held",)


def change(box, n):
    """2 * n changes: the place holds a reference, or does not."""
    place = [None]
    begin = time.thread_time()
    for _ in range(n):
        place[0] = box
        place[0] = None
    return time.thread_time() - begin


def live(kind, n):
    begin = time.thread_time()
    for _ in range(n):
        kind()
    return time.thread_time() - begin


def main():
    changes, lives = int(sys.argv[1]) // 2, int(sys.argv[2])
    box = Watched()
    box.held = other = Other()
    live(Other, lives)
    times = {"change_s": change(box, changes), "change_usual_s": change(other, changes)}
    times.update(live_s=live(Watched, lives), live_usual_s=live(Other, lives))
    print(json.dumps(dict(times, changes=2 * changes, lives=lives)))


main()
