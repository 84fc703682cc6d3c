"""A logger for each request: loggers are kept by name for ever (documented in logging's how-to).

verdict: growth
"""
import logging
import time


def handle(number):
    log = logging.getLogger("request.%d" % number)  # leak
    log.debug("begin")


for number in range(1200):
    handle(number)
    time.sleep(0.0015)
