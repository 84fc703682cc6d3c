# SPDX-License-Identifier: Apache-2.0
"""A named thread and a named task, killed in the middle."""
import asyncio
import os
import signal
import threading
from who import *

go_on, ready = threading.Event(), threading.Event()


def thread():
    take('thread', 4000)
    ready.set()
    go_on.wait()


async def main():
    asyncio.current_task().set_name('task')
    await asyncio.sleep(0)
    take('task', 5000)
    done()
    os.kill(os.getpid(), signal.SIGKILL)


threading.Thread(target=thread, name='thread', daemon=True).start()
ready.wait()
asyncio.run(main())
