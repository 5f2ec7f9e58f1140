"""Do memory and tasks return to where they were when thousands of connections have come and gone?

    connects.py BASE_URL PID A_MINUTE MINUTES

A_MINUTE sockets a minute are opened at an even pace and are gone again: before the answer, after
it, after a subscription, rudely and by a closing handshake; each tenth is an event stream over
HTTP that is cut. What process PID uses, and what the server itself counts, is compared with what
it was before. Says JSON lines.
"""

import asyncio
import sys

import httpx

from client import path
from traffic import say
from wire import FILES_TOLERANCE, MIB, RESIDENT_TOLERANCE, SETTLE, THREADS_TOLERANCE, Judge
from wire import churn, come_and_go, used

# What the server counts as there, of what a connection can leave behind. A task or two come and go
# by themselves: the store's upkeep, the look at what is idle.
GAUGES = {
    "panelboard_runtime_tasks": 4,
    "panelboard_session_sockets": 0,
    "panelboard_session_streams": 0,
    "panelboard_session_tasks": 0,
    "panelboard_sessions_in_memory": 0,
}


async def gauges(http):
    """The server's own figures, by name."""
    text = (await http.get("/metrics")).text
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in GAUGES:
            found[name] = int(float(value))
    return found


async def stream_and_go(http, number):
    """Follows a session by an event stream, and is gone with the first of it."""
    session = f"stream-{number % 50}"
    await http.post("/v1/sessions", json={"id": session})
    async with http.stream(
        "GET", path(session, "events"), headers={"accept": "text/event-stream"}
    ) as answer:
        async for _ in answer.aiter_lines():
            return int(answer.status_code == 200)
    return 0


async def paced(host, port, http, a_minute, minutes):
    """One after the other at an even pace, whoever is still under way. How many were served."""
    loop = asyncio.get_running_loop()
    start, count = loop.time(), a_minute * minutes
    served, under_way = 0, set()

    async def come(number):
        nonlocal served
        try:
            async with asyncio.timeout(30):
                if number % 10 == 9:
                    one = await stream_and_go(http, number)
                else:
                    one = await come_and_go(host, port, number)
            served += one
        except (OSError, asyncio.IncompleteReadError, TimeoutError, httpx.HTTPError):
            pass

    for number in range(count):
        due = start + number * 60 / a_minute
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(come(number))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        if len(under_way) >= 500:
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    if under_way:
        await asyncio.wait(under_way)
    return served, loop.time() - start


def above(before, after):
    """What has grown by more than it may."""
    for name, more in GAUGES.items():
        if after[1].get(name, 10**9) > before[1].get(name, 0) + more:
            yield f"{name} was {before[1].get(name)} and is {after[1].get(name)}"
    limits = (RESIDENT_TOLERANCE, FILES_TOLERANCE, THREADS_TOLERANCE)
    for was, now, more, what in zip(before[0], after[0], limits, ("bytes", "files", "threads")):
        if now > was + more:
            yield f"{was} {what} became {now}"


async def settled(pid, http, fits):
    """What there is when it `fits`, or after half a minute."""
    for _ in range(SETTLE * 5):
        there = used(pid), await gauges(http)
        if fits(there):
            break
        await asyncio.sleep(0.2)
    return there


async def main():
    base, pid, a_minute, minutes = sys.argv[1], *map(int, sys.argv[2:5])
    host, _, port = base.removeprefix("http://").partition(":")
    judge = Judge()
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=base, timeout=30, limits=limits, trust_env=False
    ) as http:
        # What is allocated once is allocated before.
        await churn(host, int(port), 1_000)
        for number in range(50):
            await stream_and_go(http, number)
        before = await settled(
            pid, http, lambda there: there[1].get("panelboard_sessions_in_memory") == 0
            and there[1].get("panelboard_session_sockets") == 0)
        judge.that(set(before[1]) == set(GAUGES), f"the server counts only {sorted(before[1])}")
        served, took = await paced(host, int(port), http, a_minute, minutes)
        after = await settled(pid, http, lambda there: not list(above(before, there)))
        count = a_minute * minutes
        for what, unit, index in (("MiB resident", MIB, 0), ("open files", 1, 1)):
            for when, there in (("before", before), ("after", after)):
                say(count=f"{what} {when}", number=round(there[0][index] / unit, 1))
        for name in GAUGES:
            say(count=f"{name} before", number=before[1].get(name))
            say(count=f"{name} after", number=after[1].get(name))
        # A quarter of the sockets is gone before it is answered.
        judge.that(served >= count * 0.7, f"only {served} of {count} were served")
        judge.that(took < minutes * 60 * 1.2, f"{count} took {took:.0f} s")
        for what in above(before, after):
            judge.that(False, what)
        judge.close(
            "connects", f"{count} came and went in {took:.0f} s, {served} of them were served; "
            "memory, files, and the server's own counts are where they were")


if __name__ == "__main__":
    asyncio.run(main())
