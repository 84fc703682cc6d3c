"""Children are started, read and waited for."""
import subprocess
import time

for number in range(40):
    subprocess.run(["/bin/echo", str(number)], stdout=subprocess.PIPE, check=True)
    time.sleep(0.03)
