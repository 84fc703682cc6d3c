"""A WSGI application under 10,000 requests, in process: sessions with a bound, templates, JSON, cookies."""
import collections
import http.cookies
import io
import json
import string
import time
import urllib.parse

template = string.Template("<h1>$title</h1><p>$body</p>")
sessions = collections.OrderedDict()


def application(environ, start_response):
    query = urllib.parse.parse_qs(environ["QUERY_STRING"])
    cookie = http.cookies.SimpleCookie(environ.get("HTTP_COOKIE", ""))
    key = cookie["session"].value if "session" in cookie else "new"
    sessions[key] = {"hits": sessions.get(key, {"hits": 0})["hits"] + 1, "query": query}
    sessions.move_to_end(key)
    if len(sessions) > 100:
        sessions.popitem(last=False)
    body = template.substitute(title="t", body=json.dumps(query)).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


for number in range(10000):
    environ = {"QUERY_STRING": "a=%d&b=two" % number, "HTTP_COOKIE": "session=s%d" % (number % 250), "wsgi.input": io.BytesIO()}
    b"".join(application(environ, lambda status, headers: None))
    if number % 10 == 0:
        time.sleep(0.001)
