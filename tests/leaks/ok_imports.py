# SPDX-License-Identifier: Apache-2.0
"""Imports, one after the other."""
import importlib

for name in ('json logging http.server asyncio unittest email.mime.text xml.dom.minidom sqlite3 decimal argparse '
             'concurrent.futures multiprocessing ctypes urllib.request csv difflib pydoc tarfile zipfile smtplib '
             'ftplib imaplib poplib wave cProfile pstats trace timeit doctest pdb').split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
