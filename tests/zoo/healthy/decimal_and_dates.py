"""Numbers and dates are made and dropped; locale and calendar caches fill once."""
import datetime
import decimal
import time

for number in range(2000):
    decimal.Decimal(number) / decimal.Decimal(7)
    (datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=number)).strftime("%Y-%m-%d %H:%M")
    datetime.datetime.strptime("2021-%02d-01" % (number % 12 + 1), "%Y-%m-%d")
    time.sleep(0.001)
