"""A server of the standard library, a thread a connection, under 1,500 requests of clients that come and go."""
import http.client
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = ("you asked for %s" % self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
thread = threading.Thread(target=server.serve_forever)
thread.start()
for client in range(75):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    for request in range(20):
        connection.request("GET", "/page/%d/%d" % (client, request))
        assert connection.getresponse().read()
    connection.close()
server.shutdown()
server.server_close()
thread.join()
