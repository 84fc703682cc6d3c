"""Blocks are known however the process ends: argv[1] says how."""
import signal
from truth import *

how = sys.argv[1]
p = libc.malloc(4001); alive('malloc', 4001)
q = bytes(4002)
alive('object', sys.getsizeof(q), line=-1)
done()
if how == '_exit':
    os._exit(7)
elif how == 'sys.exit':
    sys.exit(3)
elif how == 'sys.exit-text':
    sys.exit('a text')
elif how == 'exception':
    raise RuntimeError('nobody catches it')
elif how == 'abort':
    os.abort()
elif how == 'segv':
    ctypes.string_at(8)
elif how == 'interrupt':
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
elif how.startswith('SIG'):
    os.kill(os.getpid(), getattr(signal, how))
    signal.pause()
