"""Modules are imported at their first use, late."""
import importlib
import time

names = ["json", "decimal", "fractions", "statistics", "csv", "html", "difflib", "textwrap", "calendar", "string", "pprint",
         "configparser", "argparse", "uuid", "hashlib", "base64", "shlex", "glob", "zipfile", "tarfile"]
for number in range(1500):
    if number % 75 == 0:
        importlib.import_module(names[number // 75])
    time.sleep(0.001)
