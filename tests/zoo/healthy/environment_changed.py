"""Environment variables are set and taken away again, with a bounded number of values."""
import os
import time

for number in range(2000):
    os.environ["APP_REQUEST"] = "request %d" % (number % 100)
    os.environ["APP_USER_%d" % (number % 10)] = "user %d" % (number % 7)
    if number % 3 == 0:
        del os.environ["APP_REQUEST"]
    [str(i) for i in range(5)]
    time.sleep(0.001)
