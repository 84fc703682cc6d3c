"""Metrics by host: there are 150, those with little traffic come up late, each with its histogram of floats."""
import random
import time

random.seed(14)
weights = [1 / (i + 1) for i in range(150)]
metrics = {}
for number in range(3000):
    host = "host-%03d" % random.choices(range(150), weights)[0]
    if host not in metrics:
        metrics[host] = {"requests": 0, "seconds": [0.0] * 16, "last": None}
    metric = metrics[host]
    metric["requests"] += 1
    metric["seconds"][number % 16] += number * 0.001
    metric["last"] = "%s at %d" % (host, number)
    time.sleep(0.0007)
