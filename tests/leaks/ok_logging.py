# SPDX-License-Identifier: Apache-2.0
"""One logger, many messages."""
import logging

logging.basicConfig(stream=open('/dev/null', 'w'), level=logging.DEBUG)
logger = logging.getLogger('app')
for i in range(4000):
    logger.info('message %d %s', i, 'x' * 50)
