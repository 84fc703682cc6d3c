"""The standard library's own caches: fnmatch, struct formats, strptime formats, urlsplit, typing, linecache: all have bounds."""
import fnmatch
import struct
import time
import typing
import urllib.parse

for number in range(1500):
    fnmatch.fnmatch("file-%d.txt" % number, "*-%d.t?t" % (number % 700))
    struct.pack("<%dI" % (number % 180 + 1), *range(number % 180 + 1))
    time.strptime("12:%02d" % (number % 60), ("%H:%M", "%M:%S")[number % 2])
    urllib.parse.urlsplit("http://host-%d.example/path/%d?q=1" % (number, number))
    urllib.parse.quote("a b %d" % number, safe="/%s" % "abcdefgh"[number % 8])
    typing.List[typing.Tuple[int, ...] if number % 2 else str]
    time.sleep(0.001)
