# SPDX-License-Identifier: Apache-2.0
"""A fork in a task, and in a thread that has a name: the child goes on in what it says it runs."""
import asyncio
import os
import sys
import threading
from who import *


def task():
    try:
        return asyncio.current_task().get_name()
    except RuntimeError:  # since 3.12 the child of a fork has no running loop
        return None


def thread():
    return threading.current_thread().name


def fork(who):
    reserve(who(), 1)
    child = os.fork()
    if not child:
        rows.clear()
        reserve(who(), 2)
        done()
        os._exit(0)
    os.waitpid(child, 0)
    reserve(who(), 4)


async def forking():
    await asyncio.sleep(0)
    fork(task)
    await asyncio.sleep(0)
    reserve(task(), 8)


async def main():
    await asyncio.create_task(forking(), name='forking')


if sys.argv[1] == 'task':
    asyncio.run(main())
else:
    run_alone(threading.Thread(target=fork, args=(thread,), name='thread'))
done()
