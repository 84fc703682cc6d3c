"""Documents are pickled, unpickled, copied deeply and sent through json: each has a memo of its own, which goes."""
import copy
import json
import pickle
import time

document = {"rows": [{"a": i, "b": "text %d" % i, "c": [i, i + 1]} for i in range(25)], "title": "t"}
for number in range(500):
    document["title"] = "title %d" % number
    again = pickle.loads(pickle.dumps(document, number % 5))
    assert json.loads(json.dumps(again)) == copy.deepcopy(document)
    time.sleep(0.004)
