"""Follows the feed with Python's websockets, folds its snapshot and deltas, and holds the result against what a new
snapshot and the API tell at the end. Nothing of it knows the daemon's code: it is written from docs/api.md.

web_python.py HOST:PORT, then a line on standard input once the day is over. Ends with 0 where all is equal.
"""

import asyncio
import json
import sys
import urllib.request

import websockets

NOTES = 1000  # of refusals and incidents the newest so many are kept
SHOWN = 200  # of fills, refusals and incidents the newest so many are in a snapshot, beside every live order


def stem(execution):
    """An execution's id without the number of its correction: a correction replaces what it corrects."""
    return execution.rpartition(".")[0] or execution


def order(row):
    """Whatever the order of its fields: JSON's objects have none."""
    return json.dumps(row, sort_keys=True)


class Folded:
    """What a client makes of the feed."""

    KEYED = {
        "order": ("orders", lambda row: row["intent"]),
        "fill": ("fills", lambda row: stem(row["execution"])),
        "position": ("positions", lambda row: row["symbol"]),
        "target": ("targets", lambda row: row["symbol"]),
    }
    WHOLE = {"connection": "connection", "account": "account", "lock": "locks"}
    LISTS = {"refusal": "refusals", "incident": "incidents"}

    def __init__(self):
        self.boot, self.seq, self.resumed = None, 0, 0
        self.whole, self.keyed, self.lists, self.bars, self.kinds = {}, {}, {}, {}, {}

    def take(self, message):
        kind, data = message["type"], message.get("data")
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if "seq" in message:
            assert kind == "snapshot" or message["seq"] > self.seq, f"{message['seq']} after {self.seq}"
            self.seq = message["seq"]
        if kind == "hello":
            self.boot = message["boot"]
            self.resumed += message["resumed"]
        elif kind == "snapshot":
            self.snapshot(data)
        elif kind in self.KEYED:
            section, key = self.KEYED[kind]
            self.keyed[section][key(data)] = data
        elif kind in self.WHOLE:
            self.whole[self.WHOLE[kind]] = data
        elif kind in self.LISTS:
            rows = self.lists[self.LISTS[kind]]
            rows.append(data)
            del rows[:-NOTES]
        elif kind == "bar":
            self.bars.setdefault(message["symbol"], []).append(data)
        else:
            assert kind in ("log", "history"), f"{kind} is not in the documentation"

    def snapshot(self, data):
        self.whole = {name: data[name] for name in self.WHOLE.values()}
        self.keyed = {name: {key(row): row for row in data[name] or []} for name, key in self.KEYED.values()}
        self.lists = {name: list(data[name] or []) for name in self.LISTS.values()}

    def state(self):
        rows = {name: sorted(rows.values(), key=order) for name, rows in self.keyed.items()}
        return {**self.whole, **rows, **self.lists}


async def listen(address, folded, query=""):
    """One connection's messages, folded, until it ends or is cancelled."""
    async with websockets.connect(f"ws://{address}/api/v1/ws{query}", max_size=None) as socket:
        async for text in socket:
            folded.take(json.loads(text))


async def follow(address, folded):
    """Follows for ever; whoever was dropped for being slow comes back and gets what it has missed."""
    while True:
        query = f"?boot={folded.boot}&from={folded.seq}" if folded.seq else ""
        try:
            await listen(address, folded, query)
        except websockets.ConnectionClosed:
            pass


async def latest(address):
    """A snapshot, as a new client gets it."""
    folded = Folded()
    async with websockets.connect(f"ws://{address}/api/v1/ws", max_size=None) as socket:
        while "snapshot" not in folded.kinds:
            folded.take(json.loads(await socket.recv()))
    return folded


def get(address, path):
    with urllib.request.urlopen(f"http://{address}/api/v1/{path}") as answer:
        return json.load(answer)


def differences(address, folded, wanted):
    """What is not equal, in words."""
    ours, theirs = folded.state(), wanted.state()
    begins = {**ours, **{name: ours[name][-SHOWN:] for name in Folded.LISTS.values()}}
    # A snapshot has the newest only: of what was folded those that it names, and none of the others may be alive.
    for name, key in (("orders", lambda row: row["intent"]), ("fills", lambda row: stem(row["execution"]))):
        named = {key(row) for row in theirs[name]}
        begins[name] = [row for row in ours[name] if key(row) in named]
        left = [row for row in ours[name] if key(row) not in named]
        assert name == "orders" or not left or len(theirs[name]) == SHOWN, f"{name}: {len(left)} are missing"
        assert not any(row.get("is_live") for row in left), f"{name}: a live one is missing in the snapshot"
    for name in theirs:
        if begins[name] != theirs[name]:
            yield f"{name}: folded {begins[name]!r:.2000}\n  but the snapshot has {theirs[name]!r:.2000}"
    for name in ("orders", "fills", "positions", "refusals", "incidents"):
        rows = get(address, f"{name}?limit=5000")[name]
        if sorted(rows, key=order) != sorted(ours[name], key=order):
            yield f"{name}: the API's list differs from what was folded"
    for name in ("account", "locks"):
        if get(address, name)[name] != ours[name]:
            yield f"{name}: the API's differs from what was folded"
    for symbol, bars in folded.bars.items():
        if get(address, f"bars?limit=5000&symbol={symbol}")["bars"][-len(bars) :] != bars:
            yield f"bars of {symbol}: the API's newest {len(bars)} are not those that were told"


async def main(address):
    folded = Folded()
    following = asyncio.create_task(follow(address, folded))
    while "snapshot" not in folded.kinds:
        assert not following.done(), following.exception()
        await asyncio.sleep(0.01)
    print("listening", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    wanted = await latest(address)
    while folded.seq < wanted.seq:
        assert not following.done(), following.exception()
        await asyncio.sleep(0.01)
    following.cancel()
    wrong = list(differences(address, folded, wanted))
    print(json.dumps({"kinds": folded.kinds, "resumed": folded.resumed, "seq": folded.seq}), flush=True)
    print("\n".join(wrong), file=sys.stderr)
    return bool(wrong)


sys.exit(asyncio.run(main(sys.argv[1])))
