# SPDX-License-Identifier: Apache-2.0
"""Forks with a watched object; the child takes references to it, and makes an object that is watched, too.

Prints JSON: the child's pid, and the count at the fork."""
import json
import os
import sys


class Box:
    pass


box = Box()
others = [box, box, box]
count = sys.getrefcount(box) - 1
child = os.fork()
if not child:
    first = set()  # an event: from here on the child watches
    more = [box] * 4  # taken by the child
    own = Box()
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps({'child': child, 'count': count}))
