"""Threads that come and go, each with a decimal context of its own, and local contexts within."""
import decimal
import threading
import time


def work(number):
    decimal.getcontext().prec = 20 + number % 20
    for i in range(10):
        with decimal.localcontext() as context:
            context.prec = 50
            decimal.Decimal(number) / decimal.Decimal(7 + i)
    time.sleep(0.01)


for number in range(120):
    thread = threading.Thread(target=work, args=(number,))
    thread.start()
    thread.join()
    time.sleep(0.005)
