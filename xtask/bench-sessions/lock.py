"""A lock of threads that is taken from async code through a thread pool: what does it cost?

    lock.py ROUNDS

The lock guards a table of who runs what; taking it, looking up, changing and giving it back is one
operation, as one caller after another does it. Beside it the same with the lock taken directly.
One line of JSON: nanoseconds an operation, the median of the rounds.
"""

import asyncio
import json
import statistics
import sys
import threading
import time

OPERATIONS = 2_000


class AsyncThreadLock:
    """Takes a `threading.Lock` without blocking the event loop."""

    def __init__(self, lock):
        self.lock = lock

    async def __aenter__(self):
        await asyncio.to_thread(self.lock.acquire)
        return self

    async def __aexit__(self, *error):
        self.lock.release()
        return False


async def through_the_pool(lock, table):
    start = time.perf_counter_ns()
    for number in range(OPERATIONS):
        async with AsyncThreadLock(lock):
            if table.get("chat") is None:
                table["chat"] = number
            else:
                del table["chat"]
    return (time.perf_counter_ns() - start) / OPERATIONS


def directly(lock, table):
    start = time.perf_counter_ns()
    for number in range(OPERATIONS):
        with lock:
            if table.get("chat") is None:
                table["chat"] = number
            else:
                del table["chat"]
    return (time.perf_counter_ns() - start) / OPERATIONS


async def main():
    lock, table = threading.Lock(), {}
    await through_the_pool(lock, table)
    rounds = range(int(sys.argv[1]))
    pool = [await through_the_pool(lock, table) for _ in rounds]
    direct = [directly(lock, table) for _ in rounds]
    print(json.dumps({
        "pool_ns": statistics.median(pool), "direct_ns": statistics.median(direct),
    }))


asyncio.run(main())
