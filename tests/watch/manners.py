# SPDX-License-Identifier: Apache-2.0
"""What a program can see of the watching: nothing. usage: manners.py WHAT. Prints JSON; the same with and without."""
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)


class Box:
    pass


kept = [Box() for _ in range(50)]  # some are watched
seen = []


def handled(number, frame):
    seen.append([number, len(kept)])


def use():
    for _ in range(3):
        for box in kept:
            alias = [box, box]
            del alias


def names(mask):
    return sorted(int(n) for n in mask)


def signals():
    """Settings and masks are the program's own, and a SIGTRAP that somebody sends goes where it wants."""
    out = {'before': str(signal.getsignal(signal.SIGTRAP)), 'set': str(signal.signal(signal.SIGTRAP, handled))}
    out['same'] = signal.getsignal(signal.SIGTRAP) is handled
    use()
    os.kill(os.getpid(), signal.SIGTRAP)
    out['blocked'] = names(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTRAP, signal.SIGUSR1}))
    os.kill(os.getpid(), signal.SIGTRAP)
    use()
    out['pending'] = names(signal.sigpending()) if hasattr(signal, 'sigpending') else []
    out['held'] = len(seen)
    out['all'] = names(signal.pthread_sigmask(signal.SIG_SETMASK, set(range(1, 32)) - {9, 19, 32, 33}))
    out['read'] = names(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    use()
    out['unblocked'] = names(signal.pthread_sigmask(signal.SIG_SETMASK, set()))
    out['none'] = names(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    use()
    out['seen'] = [n for n, _ in seen]
    signal.signal(signal.SIGTRAP, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTRAP)
    out['ignored'] = str(signal.signal(signal.SIGTRAP, signal.SIG_DFL))
    return out


def waiting():
    """A thread that waits for SIGTRAP gets it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTRAP})
    use()
    os.kill(os.getpid(), signal.SIGTRAP)
    use()
    return {'got': int(signal.sigwait({signal.SIGTRAP}))}


def dies():
    """The default of SIGTRAP is death."""
    use()
    child = os.fork()
    if not child:
        use()
        signal.signal(signal.SIGTRAP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTRAP)
        os._exit(7)
    out = {'child': os.waitpid(child, 0)[1] & 127}
    done = subprocess.Popen([sys.executable, '-S', '-c', 'import os, signal; os.kill(os.getpid(), signal.SIGTRAP)'])
    out['other'] = done.wait()
    use()
    return out


def descriptors():
    """None are in the way, and closing all of them does no harm."""
    use()
    fd = os.open('/dev/null', os.O_RDONLY)
    out = {'first': fd, 'low': [n for n in os.listdir('/proc/self/fd') if 3 < int(n) < 100]}
    os.close(fd)
    os.closerange(3, 1000)
    use()
    more = [os.open('/dev/null', os.O_RDONLY) for _ in range(200)]
    use()
    time.sleep(1.2)
    kept.extend(Box() for _ in range(100))
    use()
    out['more'] = more == list(range(3, 203))
    for fd in more:
        os.close(fd)
    return out


def forks():
    """Children of all kinds go on."""
    use()
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            use()
            more = [Box() for _ in range(20)]
            del more
            os._exit(3)
        children.append(child)
    use()
    out = {'status': [os.waitpid(c, 0)[1] for c in children]}
    out['runs'] = [subprocess.call(['true']), subprocess.call([sys.executable, '-S', '-c', 'class Box: pass\nboxes = [Box() for i in range(9)]'])]
    use()
    return out


def threads():
    """Threads that come and go."""
    def work():
        for _ in range(5):
            use()
            own = [Box() for _ in range(5)]
            kept.extend(own[:1])

    workers = [threading.Thread(target=work) for _ in range(8)]
    for w in workers:
        w.start()
    use()
    for w in workers:
        w.join()
    return {'kept': len(kept)}


def breakpoints():
    """A breakpoint instruction of the program's own reaches its handler."""
    hits = []
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: hits.append(number))
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGTRAP, handler)
    import mmap
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b'\xcc\xc3' if os.uname().machine == 'x86_64' else b'\x00\x00\x20\xd4\xc0\x03\x5f\xd6')
    function = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    if os.uname().machine == 'x86_64':
        use()
        function()
        use()
        function()
    return {'hits': hits}


print(json.dumps(globals()[sys.argv[1]](), sort_keys=True))
