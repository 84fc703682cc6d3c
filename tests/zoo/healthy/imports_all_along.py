"""Two hundred modules are imported, one by one, during all the run: plugins that are loaded when they are first needed."""
import importlib
import os
import sys
import tempfile
import time

SOURCE = '''"""Plugin {n}."""
import collections


class Plugin{n}:
    """Does {n}."""
    name = "plugin-{n}"
    table = {{i: "row %d" % i for i in range(20)}}

    def run(self, value):
        return self.table.get(value, self.name)


def make():
    return Plugin{n}()
'''
with tempfile.TemporaryDirectory() as folder:
    sys.path.insert(0, folder)
    for number in range(200):
        with open(os.path.join(folder, "plugin_%d.py" % number), "w") as f:
            f.write(SOURCE.format(n=number))
    importlib.invalidate_caches()
    for number in range(1600):
        importlib.import_module("plugin_%d" % (number // 8)).make().run(number)
        time.sleep(0.001)
