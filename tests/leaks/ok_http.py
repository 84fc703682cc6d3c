# SPDX-License-Identifier: Apache-2.0
"""A server of threads: attribute names of each request stay in a cache of the interpreter for a while."""
import http.server
import threading
import urllib.request


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'hello' * 100)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for i in range(300):
    opener.open('http://127.0.0.1:%d/' % server.server_port).read()
server.shutdown()
