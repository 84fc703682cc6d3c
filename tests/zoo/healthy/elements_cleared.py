"""A large document is parsed piece by piece, each element is cleared and taken off its root."""
import io
import time
import xml.etree.ElementTree as ElementTree

rows = "".join("<row id='%d'><name>name %d</name><price>%d</price></row>" % (i, i, i * 7) for i in range(400))
for number in range(12):
    root = None
    for count, (event, element) in enumerate(ElementTree.iterparse(io.BytesIO(("<t>%s</t>" % rows).encode()), ("start", "end"))):
        root = element if root is None else root
        if event == "end" and element.tag == "row":
            root.clear()
        if count % 40 == 0:
            time.sleep(0.003)
