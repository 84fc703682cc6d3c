"""Blocks made while modules are imported, in their own lines."""
import importlib
import tempfile
from truth import *

with tempfile.TemporaryDirectory() as folder:
    sys.path.insert(0, folder)
    for i in range(20):
        with open(os.path.join(folder, 'made_module_%d.py' % i), 'w') as f:
            f.write('from truth import *\n' * (i + 1) + 'p = helper.truth_malloc(%d); alive("malloc", %d); stack_alive("malloc", %d)\n' % (i, i, i))
    for i in range(20):
        importlib.import_module('made_module_%d' % i)
    sys.path.pop(0)
done()
