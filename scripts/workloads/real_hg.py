# SPDX-License-Identifier: Apache-2.0
"""Mercurial: a repository made from nothing, changed, branched, merged, and asked about, all in one process."""
import os
import random
import shutil
import sys
import tempfile

os.environ["HGRCPATH"] = ""
os.environ["HGPLAIN"] = "1"

from mercurial import dispatch  # noqa: E402 (reads the environment)

try:
    from mercurial.main_script import request  # since 7.2
except ImportError:
    request = dispatch.request

folder = tempfile.mkdtemp(prefix="hg-")
random.seed(1)


def hg(*args):
    sys.stdout.flush()
    with open(os.devnull, "wb") as nothing:
        args = [arg.encode() for arg in args]
        asked = request([b"--cwd", folder.encode()] + args, fout=nothing, ferr=nothing)
        return dispatch.dispatch(asked) or 0


def edit(name, lines):
    with open(os.path.join(folder, name), "w") as file:
        file.writelines("%s line %d: %d\n" % (name, i, random.randrange(10)) for i in range(lines))


try:
    failed = hg("init")
    for number in range(int(sys.argv[1])):
        for name in ("a", "b", "c", "d%d" % number):
            edit(name, 400)
        failed += hg("commit", "-A", "-m", "change %d" % number, "-u", "somebody", "-d", "%d 0" % number)
        failed += hg("status", "--all")
        failed += hg("annotate", "a")
    failed += hg("log", "-p", "-G")
    failed += hg("diff", "-r", "0", "-r", "tip")
    failed += hg("verify")
    failed += hg("bundle", "--all", "all.hg")
    print(failed)
finally:
    shutil.rmtree(folder)
