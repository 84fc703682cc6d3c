"""One Pickler for a stream of messages: its memo keeps every object (documented for clear_memo).

verdict: growth
"""
import io
import pickle
import time

out = io.BytesIO()
pickler = pickle.Pickler(out)


def send(number):
    pickler.dump({"number": number, "text": "message %d" % number})  # leak
    out.seek(0)
    out.truncate()


for number in range(2500):
    send(number)
    time.sleep(0.0008)
