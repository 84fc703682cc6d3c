"""Sixteen threads allocate at once: glibc gives each an arena of its own, and keeps it."""
import threading
import time


def work(number):
    for turn in range(60):
        blocks = [bytearray(600 + (i * 37 + number) % 3000) for i in range(60)]
        del blocks
        time.sleep(0.02)


threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
