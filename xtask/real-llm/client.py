"""The unmodified `openai` SDK against an address; one JSON object a line says what came of it.

    client.py BASE_URL MODEL once            a whole and a streamed answer
    client.py BASE_URL MODEL traffic WORKERS calls in a row until the input ends
    client.py BASE_URL MODEL paced RATE SECONDS SEED TOKENS
                                             says `ready`, waits for a line, then calls RATE times a
                                             second, whatever becomes of the calls before; the times
                                             are by chance, and the same for the same SEED;
                                             answers have TOKENS tokens at most

It asserts the shape of answers, never their content: the model is small and says what it likes.
The SDK's own retries are off, so that nothing is hidden which the gateway should have hidden.
"""

import json
import random
import sys
import threading
import time

from openai import OpenAI

QUESTION = [{"role": "user", "content": "Say hello in one short sentence."}]
ASK = dict(messages=QUESTION, max_tokens=12, temperature=0)


def whole(client, model, said, ask):
    answer = client.chat.completions.create(model=model, **ask)
    assert answer.object == "chat.completion", answer.object
    choice = answer.choices[0]
    assert choice.message.role == "assistant", choice.message.role
    assert isinstance(choice.message.content, str) and choice.message.content, "no content"
    assert choice.finish_reason in ("stop", "length"), choice.finish_reason
    assert answer.usage.total_tokens > 0, answer.usage


def streamed(client, model, said, ask):
    identities, ends = set(), []
    said["pieces"] = 0
    with client.chat.completions.create(model=model, stream=True, **ask) as stream:
        for chunk in stream:
            assert chunk.object == "chat.completion.chunk", chunk.object
            identities.add(chunk.id)
            for choice in chunk.choices:
                said["pieces"] += bool(choice.delta.content)
                if choice.finish_reason:
                    ends.append(choice.finish_reason)
    assert len(identities) == 1, f"one answer, {len(identities)} ids"
    assert said["pieces"] > 0, "no piece had content"
    assert len(ends) == 1 and ends[0] in ("stop", "length"), ends


def call(client, model, kind, start=None, ask=ASK):
    """`start`: when it was due, if it may begin late."""
    start = start or time.monotonic()
    said = {"kind": kind.__name__, "ok": True}
    try:
        kind(client, model, said, ask)
    except Exception as error:  # What a client sees, whatever it is, is what we report.
        said |= {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
    said["ms"] = round((time.monotonic() - start) * 1000)
    # In one piece: the workers share the output.
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    return said["ok"]


def worker(client, model, first, stop):
    kinds = [whole, streamed]
    turn = first
    while not stop.is_set():
        call(client, model, kinds[turn % 2])
        turn += 1


def paced(client, model, rate, seconds, seed, tokens):
    chance = random.Random(seed)
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun, at, calls = time.monotonic(), 0.0, []
    while (at := at + chance.expovariate(rate)) < seconds:
        time.sleep(max(0.0, begun + at - time.monotonic()))
        kind = [whole, streamed][len(calls) % 2]
        due = (client, model, kind, begun + at, ASK | {"max_tokens": tokens})
        calls.append(threading.Thread(target=call, args=due))
        calls[-1].start()
    for thread in calls:
        thread.join()


def main():
    base, model, mode = sys.argv[1:4]
    client = OpenAI(base_url=base, api_key="not-needed-on-loopback", max_retries=0, timeout=60)
    if mode == "once":
        results = [call(client, model, kind) for kind in (whole, streamed)]
        sys.exit(0 if all(results) else 1)
    if mode == "paced":
        rate, seconds, seed, tokens = map(int, sys.argv[4:8])
        paced(client, model, rate, seconds, seed, tokens)
        return
    stop = threading.Event()
    workers = [
        threading.Thread(target=worker, args=(client, model, index, stop))
        for index in range(int(sys.argv[4]))
    ]
    for thread in workers:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in workers:
        thread.join()


main()
