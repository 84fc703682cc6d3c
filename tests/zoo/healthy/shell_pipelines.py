"""Pipelines of two children each, read to their end, with timeouts that do not pass."""
import subprocess
import time

for number in range(50):
    first = subprocess.Popen(["/bin/echo", "number %d" % number], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    second = subprocess.Popen(["/bin/cat"], stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    out, err = second.communicate(timeout=60)
    first.communicate()
    assert out.decode() == "number %d\n" % number
    [str(i) for i in range(50)]
    time.sleep(0.02)
