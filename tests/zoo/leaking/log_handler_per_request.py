"""A handler is added to a logger at each request and never removed: records are also written ever more often.

verdict: growth
"""
import io
import logging
import time

logger = logging.getLogger("requests")
logger.propagate = False
logger.setLevel(logging.ERROR)


def handle(number):
    handler = logging.StreamHandler(io.StringIO())  # leak
    handler.setFormatter(logging.Formatter("%d %%(message)s" % number))
    logger.addHandler(handler)
    logger.info("request")


for number in range(1200):
    handle(number)
    time.sleep(0.0015)
