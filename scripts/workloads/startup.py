# SPDX-License-Identifier: Apache-2.0
"""Start-up of a larger program: imports of the standard library."""
import sys

NAMES = """argparse ast asyncio base64 bisect bz2 calendar cmd code codecs collections concurrent.futures configparser
contextlib copy csv ctypes curses datetime decimal difflib dis doctest email.mime.text email.parser enum filecmp
fileinput fractions ftplib functools getpass gettext glob gzip hashlib heapq html.parser http.client http.cookiejar
http.server imaplib importlib.metadata inspect io ipaddress itertools json keyword linecache locale logging.config
logging.handlers lzma mailbox mimetypes multiprocessing.managers multiprocessing.pool numbers operator optparse os pathlib
pdb pickle pickletools pkgutil platform plistlib poplib pprint profile pstats pydoc queue random re sched secrets selectors shelve
shlex shutil signal site smtplib socket socketserver sqlite3 ssl stat statistics string struct subprocess symtable
tarfile tempfile textwrap threading timeit tokenize trace traceback tracemalloc types typing unittest.mock urllib.request
uuid venv warnings wave weakref webbrowser xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client zipapp zipfile""".split()
found = 0
for name in NAMES[: int(sys.argv[1])]:
    try:
        __import__(name)
        found += 1
    except ImportError:
        pass
print(found)
