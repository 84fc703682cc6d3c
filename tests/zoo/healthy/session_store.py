"""Sessions that expire after a while; they are swept only when five hundred have piled up."""
import time
import uuid


class Store:
    def __init__(self):
        self.sessions = {}

    def open(self, now):
        if len(self.sessions) >= 500:
            for key in [key for key, session in self.sessions.items() if session["until"] < now]:
                del self.sessions[key]
        key = uuid.uuid4().hex
        self.sessions[key] = {"until": now + 100, "basket": [], "user": "user %d" % now}
        return self.sessions[key]


store = Store()
for now in range(2950):
    store.open(now)["basket"].append({"article": now})
    time.sleep(0.0007)
