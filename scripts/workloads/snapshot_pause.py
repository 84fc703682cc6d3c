# SPDX-License-Identifier: Apache-2.0
"""Fills memory with objects, asks for a snapshot by a signal, and looks at the clock all the while.

snapshot_pause.py MIB [signal]: prints as JSON the longest time that the program stood still before the signal and after
it, in seconds, the CPU time of the longest one, resident bytes and objects. Without "signal" nothing is asked for.
"""
import gc
import json
import os
import signal
import sys
import time

ROW_BYTES = 492  # a tuple, an int, a bytes object with their headers, a place in the list


def longest_gap(seconds, first=None):
    """(wall, CPU) of the longest turn of a loop that does nothing but, in its first turn, what is asked."""
    longest, cpu_of_it = 0.0, 0.0
    before, cpu_before, end = time.perf_counter(), time.thread_time(), time.perf_counter() + seconds
    while before < end:
        if first:
            first = first()
        now, cpu = time.perf_counter(), time.thread_time()
        if now - before > longest:
            longest, cpu_of_it = now - before, cpu - cpu_before
        before, cpu_before = now, cpu
    return longest, cpu_of_it


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    gc.disable()
    rows = [(i, bytes(360)) for i in range(1000, 1000 + int(sys.argv[1]) * 2 ** 20 // ROW_BYTES)]
    usual, _ = longest_gap(1.0)
    ask = lambda: os.kill(os.getpid(), signal.SIGUSR2)  # noqa: E731
    pause, cpu = longest_gap(3.0, ask if sys.argv[2:] == ["signal"] else None)
    figures = {"usual_s": usual, "pause_s": pause, "pause_cpu_s": cpu, "rss_bytes": resident_bytes(), "objects": 3 * len(rows)}
    print(json.dumps(figures), flush=True)
    os._exit(0)


main()
