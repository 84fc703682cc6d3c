"""Clients keep a connection for each request, and the server a thread for each connection.

verdict: growth
"""
import socket
import time

server = socket.create_server(("127.0.0.1", 0))
idle = []


def request(number):
    client = socket.create_connection(server.getsockname())  # leak
    connection, address = server.accept()  # leak
    connection.sendall(b"hello")
    idle.append({"client": client, "answer": client.recv(10), "peer": (connection, address), "history": [b""] * 40})  # leak


for number in range(400):
    request(number)
    time.sleep(0.004)
