# SPDX-License-Identifier: Apache-2.0
"""A service that keeps nothing."""
import json

document = json.dumps({'a': list(range(100)), 'b': {'c': 'd' * 100}})


def handle(i):
    d = json.loads(document)
    d['i'] = i
    return len(json.dumps(d))


for i in range(2000):
    handle(i)
