"""A ContextVar made for each call: the context keeps it with its value (documented: make them at the top of a module).

verdict: growth
"""
import contextvars
import time


def handle(number):
    user = contextvars.ContextVar("user")
    user.set({"name": "user %d" % number, "roles": ["reader"] * 5})  # leak


for number in range(1500):
    handle(number)
    time.sleep(0.001)
