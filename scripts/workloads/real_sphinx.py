# SPDX-License-Identifier: Apache-2.0
"""Sphinx: HTML of a few pages with tables, code, cross references, and modules of the standard library by autodoc."""
import os
import shutil
import sys
import tempfile

from sphinx.cmd.build import main

MODULES = "json argparse textwrap heapq string shlex bisect calendar fractions gzip".split()
PAGE = """
.. _page{number}:

Page {number}
=============

See :ref:`page{other}` and :py:mod:`{module}`.

.. code-block:: python

   def page_{number}(x):
       return [x * {number} for _ in range(x)]

=========  =========
left       right
=========  =========
{rows}
=========  =========

.. automodule:: {module}
   :members:
"""

pages = int(sys.argv[1])
folder = tempfile.mkdtemp(prefix="sphinx-")
try:
    with open(os.path.join(folder, "conf.py"), "w") as file:
        file.write("project = 'bench'\nextensions = ['sphinx.ext.autodoc']\n")
    with open(os.path.join(folder, "index.rst"), "w") as file:
        file.write("Index\n=====\n\n.. toctree::\n\n" + "".join("   page%d\n" % i for i in range(pages)))
    for i in range(pages):
        rows = "\n".join("cell %03d   *text* %d" % (row, row * i) for row in range(40))
        with open(os.path.join(folder, "page%d.rst" % i), "w") as file:
            file.write(PAGE.format(number=i, other=(i + 1) % pages, module=MODULES[i % len(MODULES)], rows=rows))
    status = main(["-Q", "-b", "html", folder, os.path.join(folder, "out")])
    made = sorted(name for name in os.listdir(os.path.join(folder, "out")) if name.endswith(".html"))
    print(status, len(made))
finally:
    shutil.rmtree(folder)
