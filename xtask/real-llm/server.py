"""llama.cpp's own HTTP server on 127.0.0.1, out of the wheel `xllamacpp`.

    server.py MODEL.gguf PORT ALIAS [LONGEST]

LONGEST is the length of an answer, in tokens, of who asks for none.
Ends on SIGTERM, SIGINT and when its input ends: whoever started it is gone then.
"""

import os
import signal
import sys
import threading

import xllamacpp

SLOTS = 2
CONTEXT = 1024

model, port, alias = sys.argv[1:4]
longest = sys.argv[4:5]
settings = xllamacpp.CommonParams()
settings.model.path = model
settings.hostnames = ["127.0.0.1"]
settings.port = int(port)
settings.model_alias = {alias}
settings.n_parallel = SLOTS
settings.n_ctx = SLOTS * CONTEXT
if longest:
    settings.n_predict = int(longest[0])
# With two threads on two busy cores the threads wait for each other: ten times slower.
settings.cpuparams.n_threads = 1
# Or a restart right after an end cannot bind while old connections are in TIME_WAIT.
settings.reuse_port = True
server = xllamacpp.Server(settings)
print("listening", server.listening_address, flush=True)

done = threading.Event()
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: done.set())


def watch_input():
    while sys.stdin.buffer.read(1):
        pass
    done.set()


threading.Thread(target=watch_input, daemon=True).start()
done.wait()
# The library's own threads have no end of their own.
os._exit(0)
