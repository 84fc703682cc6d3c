"""Modules and data are read from a zip file on the path; the importer keeps the directory of the file."""
import importlib
import os
import pkgutil
import sys
import tempfile
import time
import zipfile

with tempfile.TemporaryDirectory() as folder:
    name = os.path.join(folder, "plugins.zip")
    with zipfile.ZipFile(name, "w") as archive:
        for number in range(60):
            archive.writestr("zipped_%d/__init__.py" % number, "TABLE = {i: 'text %%d' %% i for i in range(%d)}\n" % number)
            archive.writestr("zipped_%d/data.txt" % number, "data " * 50)
    sys.path.insert(0, name)
    for number in range(600):
        module = importlib.import_module("zipped_%d" % (number // 10))
        assert len(module.TABLE) == number // 10
        assert len(pkgutil.get_data(module.__name__, "data.txt")) == 250
        time.sleep(0.003)
