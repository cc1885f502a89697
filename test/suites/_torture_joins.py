"""Histories for point-in-time joins, and what is right: an oracle that looks at every row of a key for every question.

A history is one key's rows and the moments asked of it. Times are whole nanoseconds and never rounded. What is random comes
from one seed; nothing here knows how the engine works.
"""
import dataclasses
import random
import uuid

S, MS, US, NS = 10**9, 10**6, 10**3, 1
UNIT_NS = {"s": S, "ms": MS, "us": US, "ns": NS, "day": 86_400 * S}


@dataclasses.dataclass
class Row:
    event: int | None  # nanoseconds
    created: int | None
    sequence: int | None
    deleted: bool | None
    place: int = -1  # in the file


@dataclasses.dataclass
class History:
    key: tuple
    rows: list
    asked: list  # nanoseconds, or None
    places: list = dataclasses.field(default_factory=list)  # of `asked` in the frame


class Shape:
    """What all histories of a file have in common."""

    def __init__(self, dice, event_unit, asked_unit, created_unit):
        self.event_unit, self.asked_unit, self.created_unit = event_unit, asked_unit, created_unit
        self.step = max(UNIT_NS[event_unit], UNIT_NS[asked_unit], UNIT_NS[created_unit])
        self.base = dice.choice([0, 1_700_000_000 * S, -5_000_000_000 * S])
        self.base -= self.base % UNIT_NS["day"]
        self.ttl = dice.randrange(1, 6) * max(self.step, US)
        if US < self.step < UNIT_NS["day"]:
            self.ttl += (dice.randrange(3) - 1) * US

    def on(self, unit, t):
        return t - t % UNIT_NS[unit]


def history(dice, key, shape):
    """Few moments for many rows, so that ties, edges and repeats are usual."""
    lattice = [shape.base + dice.randrange(14) * shape.step for _ in range(dice.randrange(1, 7))]
    if shape.event_unit not in ("s", "day"):
        lattice = [t + dice.choice([0, 0, 0, 1, -1]) * UNIT_NS[shape.event_unit] for t in lattice]
    rows = []
    for _ in range(dice.choice([0, 1, 2, 3, 5, 8, 13])):
        event = shape.on(shape.event_unit, dice.choice(lattice))
        late = dice.choice([0, 0, 1, 1, 2, 5, -1]) * shape.step + dice.choice([0, 0, 1, -1]) * UNIT_NS[shape.created_unit]
        created = shape.on(shape.created_unit, event + late)
        row = Row(event=None if dice.random() < 0.02 else event,
                  created=None if dice.random() < 0.05 else created,
                  sequence=None if dice.random() < 0.03 else dice.randrange(4),
                  deleted=None if dice.random() < 0.05 else dice.random() < 0.15)
        rows += [row] + ([dataclasses.replace(row)] if dice.random() < 0.1 else [])
    dice.shuffle(rows)
    edges = [t for row in rows for t in (row.event, row.created, row.event and row.event + shape.ttl) if t is not None]
    asked = []
    for _ in range(dice.randrange(1, 7)):
        t = dice.choice(edges + lattice) + dice.choice([0, 0, 0, 1, -1]) * UNIT_NS[shape.asked_unit]
        asked.append(None if dice.random() < 0.02 else shape.on(shape.asked_unit, t))
    return History(key, rows, asked + ([asked[0]] if dice.random() < 0.3 else []))


@dataclasses.dataclass
class Question:
    """How a file is joined."""
    as_known: bool = False
    created: bool = False
    sequence: bool = False
    tombstone: bool = False
    strict: bool = False
    ttl: int | None = None  # nanoseconds


LEAST = -(1 << 200)


def answer(history_, t, q):
    """The place of the row that counts at t, or None. Every row is looked at; nothing is in any order."""
    if t is None or any(part is None for part in history_.key):
        return None
    best, best_rank = None, None
    for row in history_.rows:
        if row.event is None:
            continue
        seen_from = row.event
        if q.as_known:
            if row.created is None:
                continue
            seen_from = max(row.event, row.created)
        if not (seen_from < t if q.strict else seen_from <= t):
            continue
        created = row.created if q.created and row.created is not None else LEAST
        sequence = row.place
        if q.sequence:
            sequence = LEAST if row.sequence is None else row.sequence
        rank = (row.event, created, sequence, row.place)
        if best_rank is None or rank > best_rank:
            best, best_rank = row, rank
    if best is None or (q.ttl is not None and best.event < t - q.ttl):
        return None
    return None if q.tombstone and best.deleted else best.place


def traits(history_, shape):
    """Which of the hard cases a history holds."""
    events = [row.event for row in history_.rows if row.event is not None]
    asked = [t for t in history_.asked if t is not None]
    out = set()
    if len(set(events)) < len(events):
        out.add("ties")
    newest = None
    for row in history_.rows:
        if row.event is not None:
            if newest is not None and row.event < newest:
                out.add("late")
            newest = row.event if newest is None else max(newest, row.event)
    if any(row.deleted for row in history_.rows):
        out.add("tombstones")
    moments = {m for row in history_.rows if row.event is not None for m in (row.event, row.event + shape.ttl)}
    if any(t in moments for t in asked):
        out.add("boundary")
    return out


# ---------------------------------------------------------------- keys
def _texts(i):
    return ["", "a", "ab", "NULL", "0", "\u00fc", "a\u0000b", "\U0001f600"][i] if i < 8 else f"k{i}"


def _wide(i):
    return [0, -1, 2**63 - 1, -2**63, 2**31][i] if i < 5 else i * 7919


def _reals(i):
    return [0.0, float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, float("nan")][i] if i < 6 else i / 8


KEYS = {
    # name: (types of the entities' columns, of the source's, maker of a part)
    "int64": (["int64"], ["int64"], [_wide]),
    "int32 and int64": (["int32"], ["int64"], [lambda i: i - 500]),
    "uint8 and int16, pair": (["uint8", "int16"], ["int64", "int32"], [lambda i: i % 250, lambda i: i // 250]),
    "text": (["string"], ["string"], [_texts]),
    "large and view": (["large_string"], ["string_view"], [_texts]),
    "dictionary and text": (["dictionary"], ["string"], [_texts]),
    "bytes": (["binary"], ["large_binary"], [lambda i: _texts(i).encode() + b"\xff\x00"]),
    "bytes view": (["binary_view"], ["binary"], [lambda i: _texts(i).encode()]),
    "uuid": (["uuid"], ["uuid"], [lambda i: uuid.UUID(int=i * 0x9e3779b97f4a7c15f39cc0605cedc835 % (1 << 128)).bytes]),
    "fixed": (["fixed16"], ["uuid"], [lambda i: uuid.UUID(int=i).bytes]),
    "float": (["float64"], ["float64"], [_reals]),
    "decimal": (["decimal"], ["decimal"], [lambda i: i - 500]),
    "date": (["date32"], ["date32"], [lambda i: i - 500]),
    "moment": (["timestamp_ms"], ["timestamp_us"], [lambda i: (i - 500) * 1000]),
    "bool and text": (["bool", "string"], ["bool", "string"], [lambda i: i % 2 == 1, lambda i: _texts(i // 2)]),
    # The halves that a join by text put together would confuse: (1, 23) and (12, 3), ("a", "bc") and ("ab", "c").
    "numbers that run together": (["int64", "int64"], ["int64", "int64"],
                                  [lambda i: int(str(10**7 + i)[:1 + i % 7]), lambda i: int("1" + str(10**7 + i)[1 + i % 7:])]),
    "texts that run together": (["string", "string"], ["large_string", "dictionary"],
                                [lambda i: f"{i:06d}"[:i % 7], lambda i: f"{i:06d}"[i % 7:]]),
}


def keys_of(name, n, dice):
    makers = KEYS[name][2]
    out = [tuple(make(i) for make in makers) for i in range(n)]
    if len({repr(key) for key in out}) != n:
        raise AssertionError(f"keys '{name}' repeat")
    return [tuple(None if dice.random() < 0.01 else part for part in key) for key in out]


def seeded(seed):
    return random.Random(seed)
