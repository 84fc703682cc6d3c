# SPDX-License-Identifier: Apache-2.0
"""More objects than places: those whose counts rest give their places to younger ones. A child of a fork goes on."""
import os
import time


class Box:
    pass


kept = []
for i in range(24):
    kept.append(Box())  # made
    time.sleep(0.03)
if os.fork() == 0:
    again = [kept[-1], Box()]
    os._exit(0)
os.wait()
