"""A service remembers each request until it is closed, which is when the program ends.

verdict: growth
"""
import time


class Service:
    def __enter__(self):
        self.log = []
        return self

    def __exit__(self, *error):
        self.log.clear()

    def handle(self, number):
        self.log.append({"number": number, "text": "request %d" % number})  # leak


def main():
    with Service() as service:
        for number in range(1500):
            service.handle(number)
            time.sleep(0.001)


main()
