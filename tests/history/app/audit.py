# SPDX-License-Identifier: Apache-2.0
"""What was asked for. Nobody ever reads it: a leak that the project knows of."""
log = []


def note(page):
    log.append('page %d' % page)
