"""A small note is kept beside each big document: the documents go, the heap of malloc stays (as Celery and Airflow workers).

verdict: fragmentation
needs: gil
"""
import time

notes = []
for batch in range(4):
    documents = []
    for number in range(600):
        documents.append(bytearray(60000))
        if number % 10 == 9:
            notes.append(bytearray(700))  # leak
    time.sleep(0.2)
documents = None
time.sleep(1.5)
