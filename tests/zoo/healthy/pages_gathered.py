"""main() gathers what it fetches, page by page, uses it, and ends."""
import time


class Report:
    def __init__(self):
        self.pages, self.long = [], {}

    def add(self, page):
        self.pages.append(page)


def fetch(number):
    time.sleep(0.001)
    return {"number": number, "text": "page %d" % number, "words": ("page %d of many" % number).split()}


def main():
    titles, report = [], Report()
    for number in range(600):
        titles.append(fetch(number))
    for number in range(600):
        report.add(fetch(number))
    assert sum(len(page["words"]) for page in titles + report.pages) == 4800


main()
