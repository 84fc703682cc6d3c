"""A mock left in a long-running program remembers every call (mock_calls, method_calls).

verdict: growth
"""
import time
from unittest import mock

client = mock.MagicMock()


def report(number):
    client.send({"metric": "latency", "value": number})  # leak


for number in range(1500):
    report(number)
    time.sleep(0.001)
