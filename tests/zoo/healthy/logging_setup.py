"""Loggers for twenty modules, set up when first used, then a steady flow of records."""
import io
import logging
import logging.handlers
import time

stream = io.StringIO()
logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
memory = logging.handlers.MemoryHandler(50, target=logging.StreamHandler(io.StringIO()))
for number in range(2000):
    logger = logging.getLogger("app.module%d" % (number % 20))
    logger.info("request %d took %d ms", number, number % 17)
    memory.handle(logging.makeLogRecord({"msg": "x %d" % number, "levelno": 20}))
    if number % 100 == 0:
        stream.seek(0)
        stream.truncate()
        memory.target.stream = io.StringIO()
    time.sleep(0.001)
