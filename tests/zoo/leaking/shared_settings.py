"""PyObject_GetAttrString() is taken for borrowed: one object gets ever more references, no memory grows (as numpy #9118).

verdict: reference-leak
type: __main__.Limits
snapshot: exit,every=250ms
c: _settings.c
"""
import time

import _settings


class Limits:
    def __len__(self):
        return 30


class Settings:
    def __init__(self):
        self.limits = Limits()  # leak


settings = Settings()
for number in range(2500):
    _settings.timeout(settings)
    time.sleep(0.001)
