"""A development server: modules are written anew, reloaded, and their handlers called."""
import importlib
import os
import sys
import tempfile

SOURCE = '''
import re, dataclasses, functools
VERSION = %d
PATTERN = re.compile(r"(\\w+)=(\\d+)")
@dataclasses.dataclass
class Config:
    name: str
    value: int = VERSION
class Base:
    registry = {}
    def __init_subclass__(cls, **kw):
        Base.registry[cls.__name__] = cls
class Plugin(Base):
    def run(self, text):
        return [Config(a, int(b)) for a, b in PATTERN.findall(text)]
@functools.lru_cache(None)
def helper(n):
    return [n] * 3
def handle(text):
    helper(len(text))
    return len(Plugin().run(text))
'''
with tempfile.TemporaryDirectory() as folder:
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    path = os.path.join(folder, "plugin.py")
    module = None
    total = 0
    for version in range(100):
        with open(path, "w") as f:
            f.write(SOURCE % version)
        os.utime(path, (version, version))
        importlib.invalidate_caches()
        module = importlib.reload(module) if module else importlib.import_module("plugin")
        assert module.VERSION == version
        for n in range(20):
            total += module.handle("a=%d b=%d c=%d" % (n, n + 1, n + 2))
print(total)
