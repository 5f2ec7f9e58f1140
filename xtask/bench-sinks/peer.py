"""fapilog's part of `cargo xtask bench sinks`: one structured event to a file, JSON lines.

It is told what to do by lines of its input, and answers each with a line: `burst N` logs N events and
says how many nanoseconds that took the caller; `settle` waits until all of them are in the file;
`whole N` logs N and says how many nanoseconds it was until all are in the file; `fill N` logs N to a sink that never
writes, says how many KiB of memory that took, and ends."""

import asyncio
import os
import pathlib
import sys
import time

from fapilog import LoggerBuilder, get_logger

FOLDER = pathlib.Path(sys.argv[1])
NS = time.perf_counter_ns


def build(queue):
    # Room for all, as for the others: what is compared is work, and not who drops more.
    builder = LoggerBuilder().reuse(False).with_level("INFO").with_queue_size(queue)
    builder = builder.with_backpressure(wait_ms=1, drop_on_full=True)
    return builder.add_file(str(FOLDER), max_bytes=1 << 40).build()


class Lines:
    """How many lines are in the folder's files, counted as they grow."""

    def __init__(self):
        self.at, self.count = {}, 0

    def look(self):
        for path in FOLDER.iterdir():
            with open(path, "rb") as file:
                file.seek(self.at.get(path, 0))
                new = file.read()
            self.at[path] = self.at.get(path, 0) + len(new)
            self.count += new.count(b"\n")
        return self.count

    def wait(self, count):
        end = time.monotonic() + 120
        while self.look() < count:
            if time.monotonic() > end:
                raise SystemExit(f"{self.count} lines of {count}")
            time.sleep(0.002)


def say(logger, count):
    info = logger.info
    for number in range(count):
        info("something has happened", number=number, name="a name", share=0.25)


def resident_kib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


class Stuck:
    """A sink whose write does not come back."""

    name = "stuck"

    async def start(self):
        pass

    async def stop(self):
        pass

    async def write(self, entry):
        await asyncio.Event().wait()


def fill(count):
    logger = get_logger("full", sinks=[Stuck()], reuse=False)
    say(logger, 1)
    before = resident_kib()
    say(logger, count)
    return resident_kib() - before


def main():
    logger, lines, said = build(1 << 20), Lines(), 0
    print("ready", flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        count = int(rest[0]) if rest else 0
        start = NS()
        if command == "burst":
            say(logger, count)
            said += count
            print(NS() - start, flush=True)
        elif command == "settle":
            lines.wait(said)
            print(0, flush=True)
        elif command == "whole":
            say(logger, count)
            said += count
            lines.wait(said)
            print(NS() - start, flush=True)
        elif command == "fill":
            print(fill(count), flush=True)
            # Its worker waits for ever: there is no end for it to come to.
            os._exit(0)
    os._exit(0)


main()
