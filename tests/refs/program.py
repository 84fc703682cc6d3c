# SPDX-License-Identifier: Apache-2.0
"""Calls functions of a module, each with things of its own, in a child process of its own: program.py MODULE N NAME ...

The children are forked, so that all begin as one program, and end without taking themselves down: where a count is too low, the
interpreter's end would meet what is gone already."""
import importlib
import os
import sys

module = importlib.import_module(sys.argv[1])


class Thing:
    pass


class Owner:
    pass


class Oops(Exception):
    pass


margin = []  # holds what a bug gives away too early, so that it does not die under us


def error_path(function, i):
    thing = Thing()
    if i % 2:
        thing.name = 'odd'
    try:
        function(thing)
    except AttributeError:
        pass


def success(function, i):
    things = function(Thing)
    assert len(things) == 1


def loop(function, i):
    things = [Thing()]
    assert function(things) == 1


def getter(name, i):
    owner = Owner()
    owner.value = Thing()
    box = module.Box(owner)
    assert getattr(box, name) is owner.value
    owner.value = None


def stolen(function, i):
    thing = Thing()
    margin.append([thing] * 4)
    margin.append(function(thing))


def setitem(function, i):
    things = function(Thing)
    assert len(things) == 1


def buildvalue(function, i):
    assert function(Thing)[1] == 1


def fails():
    raise Oops('always')


def exception(function, i):
    assert function(fails) is None


def borrowed(function, i):
    thing = Thing()
    margin.append([thing] * 4)
    things = [thing]
    margin.append(things)
    assert function(things) in (True, None)


def capsule(function, i):
    thing = Thing()
    parcel = function(thing)
    del parcel


# ---- refstyles, refraii ----

def helper(function, i):
    thing = Thing()
    function(thing)


another = goto = release = vector = helper


def iterator(function, i):
    things = [Thing()]
    function(things)


class Shop:
    def sell(self):
        thing = Thing()
        return thing


def method(function, i):
    function(Shop())


def dealloc(name, i):
    thing = Thing()
    shelf = (module.Leaky if name.startswith('bug') else module.Shelf)(thing)
    del shelf


def setref(name, i):
    shelf = module.Shelf(None)
    put = shelf.put_wrong if name.startswith('bug') else shelf.put
    put(Thing())
    put(Thing())


def last(function, i):
    function(Thing())


def twice(function, i):
    thing = Thing()
    margin.append([thing] * 4)
    margin.append(function(thing))


steal = borrowed


def main():
    n = int(sys.argv[2])
    for name in sys.argv[3:]:
        pid = os.fork()
        if not pid:
            case = name.split('_', 1)[1]
            function = getattr(module, name, name)
            for i in range(n):
                globals()[case](function, i)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0, name
        print(name, pid, flush=True)


if __name__ == '__main__':
    main()
