# SPDX-License-Identifier: Apache-2.0
"""A logger for each job; loggers live for ever."""
import logging


def work(i):
    logger = logging.getLogger('worker.%d' % i)  # leak
    logger.addHandler(logging.NullHandler())  # leak
    logger.info('hello %d', i)


for i in range(1500):
    work(i)
