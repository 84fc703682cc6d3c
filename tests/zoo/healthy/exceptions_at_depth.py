"""Exceptions raised sixty calls deep, chained, caught above, logged with their traceback, and dropped."""
import io
import logging
import time

log = io.StringIO()
logging.basicConfig(stream=log, format="%(message)s")


def descend(depth, payload):
    if not depth:
        raise ValueError("no such payload", payload)
    try:
        descend(depth - 1, payload)
    except ValueError as error:
        if depth % 20 == 0:
            raise ValueError("at depth %d" % depth) from error
        raise


for number in range(300):
    try:
        descend(60, ["payload %d" % number] * 5)
    except ValueError:
        if number % 3 == 0:
            logging.exception("request %d", number)
            log.seek(0)
            log.truncate()
    time.sleep(0.006)
