"""A list of errors for a report keeps each exception, its traceback, its frames and all their locals.

verdict: growth
"""
import time

errors = []


def parse(number):
    body = "x" * 2000 + str(number)
    if number % 2:
        raise ValueError("bad body")
    return len(body)


for number in range(3000):
    try:
        parse(number)
    except ValueError as e:
        errors.append(e)  # leak
    time.sleep(0.0007)
