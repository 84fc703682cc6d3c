"""Scope ends: what is local dies at the return; what is returned is the caller's."""


def local():
    data = bytes(10000)  # dies: 500
    return len(data)


def returned():
    data = bytes(20000)  # stays: 500
    return data


for i in range(500):
    local()
kept = [returned() for i in range(500)]
