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
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Worker", str(os.getpid()))])
    return [body]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path):
    """The worker that answers, and the length of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.headers["X-Worker"], len(response.read())
    finally:
        connection.close()


def wait_for_workers(port, count):
    """Until each has answered: one that is told to stop while it is starting does not notice."""
    deadline = time.monotonic() + 60
    seen = set()
    while len(seen) < count:
        try:
            seen.add(ask(port, "/hello")[0])
        except ConnectionRefusedError:
            time.sleep(0.02)
        if time.monotonic() > deadline:
            raise TimeoutError("%d of %d workers answered" % (len(seen), count))


def main():
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", "127.0.0.1:%d" % port]
    command += ["--log-level", "error", "--chdir", os.path.dirname(os.path.abspath(__file__)), "real_gunicorn:application"]
    server = subprocess.Popen(command)
    try:
        wait_for_workers(port, 2)
        total = sum(ask(port, "/page/%06d" % number)[1] for number in range(int(sys.argv[1])))
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(30)
    print(total, status)


if __name__ == "__main__":
    main()
