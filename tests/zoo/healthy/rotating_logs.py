"""A log file that rotates, filled through a queue and its listener; records are dropped when they are written."""
import logging
import logging.handlers
import os
import queue
import tempfile
import time

with tempfile.TemporaryDirectory() as folder:
    file = logging.handlers.RotatingFileHandler(os.path.join(folder, "app.log"), maxBytes=20000, backupCount=2)
    records = queue.Queue(-1)
    listener = logging.handlers.QueueListener(records, file)
    listener.start()
    logger = logging.getLogger("app")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.handlers.QueueHandler(records))
    for number in range(1500):
        logger.info("request %d of user %s took %d ms", number, "user%d" % (number % 50), number % 90)
        time.sleep(0.0013)
    listener.stop()
    file.close()
