"""A file is mapped for each request and the mapping kept: address space and memory outside of all heaps.

verdict: growth
"""
import mmap
import time

pages = []


def load(number):
    page = mmap.mmap(-1, 16384)  # leak
    page[:2] = b"ok"
    pages.append(page)  # leak


for number in range(1200):
    load(number)
    time.sleep(0.0015)
