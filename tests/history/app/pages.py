# SPDX-License-Identifier: Apache-2.0
"""Pages for visitors."""
from app import audit


class Pages:
    def __init__(self):
        self.cache = {}

    def render(self, number):
        page = self.cache.get(number % 50)
        if page is None:
            page = self.cache[number % 50] = '<p>%d</p>' % number * 20
        return page


class Visit:
    def __init__(self, number):
        self.number = number
        self.steps = []


pages = Pages()


def handle(number):
    visit = Visit(number)
    visit.steps.append(pages.render(number))
    audit.note(number % 50)
    return len(visit.steps)


def serve(requests):
    for number in range(requests):
        handle(number)
