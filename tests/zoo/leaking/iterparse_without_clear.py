"""iterparse builds the whole tree behind the elements that are looked at; nobody calls clear().

verdict: growth
"""
import io
import time
import xml.etree.ElementTree

N = 6000
document = io.BytesIO(b"<log>" + b"".join(b"<row id='%d'><text>entry %d</text></row>" % (i, i) for i in range(N)) + b"</log>")
n = 0
for event, element in xml.etree.ElementTree.iterparse(document):  # leak
    n += 1
    if n % 20 == 0:
        time.sleep(0.004)
