"""Scope ends, seen from the counts: what is local dies when its function returns, what is returned is the caller's."""


def dies():
    data = [1, 2, 3]  # local
    return len(data)  # its end


def stays():
    data = [4, 5, 6]  # returned
    return data


def passed(value):
    name = value
    held.append(name)  # held


held = []
dies()  # its call
kept = stays()
passed(kept)
held.clear()  # let go
del kept  # the last one
