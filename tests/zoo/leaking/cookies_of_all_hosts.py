"""A cookie jar that lives as long as the program: each host adds its cookies (as a requests.Session shared by a crawler).

verdict: growth
"""
import http.cookiejar
import time
import urllib.request


class Answer:
    def __init__(self, number):
        import email.message
        self.headers = email.message.Message()
        self.headers["Set-Cookie"] = "id=%d; Path=/" % number

    def info(self):
        return self.headers


jar = http.cookiejar.CookieJar()


def visit(number):
    request = urllib.request.Request("http://host%d.example/" % number)
    jar.extract_cookies(Answer(number), request)  # leak


for number in range(1000):
    visit(number)
    time.sleep(0.0015)
