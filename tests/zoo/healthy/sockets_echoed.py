"""Pairs of sockets watched by a selector: registered, used, unregistered, closed."""
import selectors
import socket
import time

selector = selectors.DefaultSelector()
for number in range(300):
    pairs = [socket.socketpair() for i in range(3)]
    for ours, theirs in pairs:
        selector.register(ours, selectors.EVENT_READ, {"number": number})
        theirs.send(b"hello %d" % number)
    for key, events in selector.select(timeout=60):
        assert key.fileobj.recv(100) and key.data["number"] == number
    for ours, theirs in pairs:
        selector.unregister(ours)
        ours.close()
        theirs.close()
    time.sleep(0.006)
selector.close()
