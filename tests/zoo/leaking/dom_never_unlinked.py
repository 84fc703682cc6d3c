"""minidom documents are cycles, which unlink() would cut (xml.dom.minidom's documentation); the collector is off.

verdict: cycle-garbage
"""
import gc
import time
import xml.dom.minidom

gc.disable()


def price(number):
    document = xml.dom.minidom.parseString("<order><price>%d</price><to>someone</to></order>" % number)  # leak
    return int(document.getElementsByTagName("price")[0].firstChild.data)


for number in range(600):
    price(number)
    time.sleep(0.003)
