# SPDX-License-Identifier: Apache-2.0
"""gunicorn: a pre-fork server of two workers over loopback, asked by the parent, then told to stop."""
import http.client
import os
import signal
import socket
import subprocess
import sys
import time


def application(environ, start_response):
    body = ("%s %s\n" % (environ["REQUEST_METHOD"], environ["PATH_INFO"]) * 50).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path, deadline):
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            return len(connection.getresponse().read())
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def main():
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", "127.0.0.1:%d" % port]
    command += ["--log-level", "error", "--chdir", os.path.dirname(os.path.abspath(__file__)), "real_gunicorn:application"]
    server = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 30
        total = sum(ask(port, "/page/%06d" % number, deadline) for number in range(int(sys.argv[1])))
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(30)
    print(total, status)


if __name__ == "__main__":
    main()
