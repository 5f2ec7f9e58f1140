"""SQLite as it is mostly used: a transaction for each request, synced. `commits.py FILE COUNT`"""

import json
import sqlite3
import sys
import time

path, count = sys.argv[1], int(sys.argv[2])
database = sqlite3.connect(path, isolation_level=None)
database.execute("pragma journal_mode = wal")
database.execute("pragma synchronous = full")
database.execute("create table if not exists submissions (body text)")
body = "x" * 256
start = time.perf_counter()
for _ in range(count):
    database.execute("insert into submissions values (?)", (body,))
print(json.dumps({"per_second": count / (time.perf_counter() - start)}))
