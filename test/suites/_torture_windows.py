"""What windows must answer: each definition worked out over all events, sums and moments in exact rationals, rounded once.

Only the quantile's buckets are floating point, by DDSketch's own rule (rank floor(q (n - 1)), buckets of the cubically interpolated
logarithm), and the count of different values beyond its cap, which has a bound instead.
"""
import dataclasses
import math
import struct
from fractions import Fraction

SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3600 * 10**6, 86_400 * 10**6
STEPS = [DAY, HOUR, 5 * MINUTE, MINUTE, 10 * SECOND, SECOND]
NAN, INF = float("nan"), float("inf")


@dataclasses.dataclass
class Event:
    key: int
    ts: int  # microseconds
    seq: int
    created: int
    known: int
    deleted: bool
    values: dict
    counts: bool = True  # False: came too late for windows


def bounds(kind, length, t):
    """[begin, end) of the window that is asked for at t."""
    if kind == "lifetime":
        return -(1 << 62), t
    if kind == "exact":
        return t - length, t
    if kind == "tumbling":
        return t // length * length - length, t // length * length
    hop = next((step for step in STEPS if step * 12 <= length), SECOND)
    return (t - length) // hop * hop, t


def taken_back(row, tombstones):
    return any(g.ts == row.ts and (row.created, row.seq) < (g.created, g.seq)
               and all(v is None or same(v, row.values[name]) for name, v in g.values.items()) for g in tombstones)


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return type(a) is type(b) and a == b


def events_at(rows, t, mode):
    """Those that count at t; None when the entity is unknown then."""
    seen = [r for r in rows if mode == "as_of" or r.known <= t]
    tombstones = [r for r in seen if r.deleted]
    left = [r for r in seen if not r.deleted and (mode == "as_of" or r.counts) and not taken_back(r, tombstones)]
    known = left if mode == "as_known" else [r for r in left if r.ts < t]
    return sorted(left, key=lambda r: (r.ts, r.seq)) if known else None


# ---------------------------------------------------------------- rounding once
def real(q):
    """The double nearest to a rational."""
    try:
        return q.numerator / q.denominator  # Python divides integers correctly rounded.
    except OverflowError:
        return INF if q > 0 else -INF


def root(q):
    """The double nearest to the square root of a rational that is not negative."""
    if q == 0:
        return 0.0
    shift = max(0, 130 - (q.numerator.bit_length() - q.denominator.bit_length()))
    shift += shift % 2
    scaled = (q.numerator << shift) // q.denominator
    whole = math.isqrt(scaled)
    exact = whole * whole == scaled and (q.numerator << shift) % q.denominator == 0
    # 65 bits or more, and a sticky bit: rounding to 53 sees on which side of a middle the root lies.
    return real(Fraction(2 * whole + (0 if exact else 1), 2 << (shift // 2)))


def finite(values):
    return all(math.isfinite(v) for v in values)


def total(values):
    if any(isinstance(v, float) for v in values):
        if any(v != v for v in values) or (INF in values and -INF in values):
            return NAN
        if INF in values or -INF in values:
            return INF if INF in values else -INF
        return real(sum(map(Fraction, values)))
    out = sum(values)
    return out if -2**63 <= out < 2**63 else None


def mean(values):
    if not finite(values):
        return total([float(v) for v in values])
    return real(sum(map(Fraction, values)) / len(values))


def spread(op, values):
    n = len(values)
    if op in ("var", "stddev") and n < 2:
        return None
    if not finite(values):
        return NAN
    xs = [Fraction(v) for v in values]
    s1, s2 = sum(xs), sum(x * x for x in xs)
    b = n * s2 - s1 * s1
    if op in ("var_pop", "var"):
        return real(b / (n * n if op == "var_pop" else n * (n - 1)))
    if op in ("stddev_pop", "stddev"):
        return root(Fraction(b) / (n * n if op == "stddev_pop" else n * (n - 1)))
    if b == 0:
        return NAN
    s3 = sum(x**3 for x in xs)
    if op == "skew":
        a = n * n * s3 - 3 * n * s1 * s2 + 2 * s1**3
        size = root(Fraction(a * a) / b**3)
        return -size if a < 0 else size
    s4 = sum(x**4 for x in xs)
    d = n**3 * s4 - 4 * n * n * s1 * s3 + 6 * n * s1 * s1 * s2 - 3 * s1**4
    return real(Fraction(d) / (b * b) - 3)


def rank_of(v):
    """-Inf < … < -0 < +0 < … < +Inf < NaN."""
    if isinstance(v, float):
        if v != v:
            return (1, 0)
        bits = struct.unpack("<q", struct.pack("<d", v))[0]
        return (0, bits if bits >= 0 else -(bits & (2**63 - 1)) - 1)
    return (0, v)


# ---------------------------------------------------------------- DDSketch
def per_octave(accuracy):
    term, total_, k = accuracy, 0.0, 1
    while k < 200 and total_ + term / k != total_:
        total_ += term / k
        term *= accuracy * accuracy
        k += 2
    return 7 / (20 * total_)


def bucket(x, each):
    bits = struct.unpack("<Q", struct.pack("<d", x))[0]
    exponent = float((bits >> 52) - 1023)
    s = struct.unpack("<d", struct.pack("<Q", (bits & ((1 << 52) - 1)) | 1023 << 52))[0] - 1
    return math.floor((exponent + ((6.0 / 35 * s - 3.0 / 5) * s + 10.0 / 7) * s) * each)


def first_of(wanted, each):
    low, high = 1 << 52, 0x7ff << 52
    while low < high:
        middle = (low + high) // 2
        if bucket(struct.unpack("<d", struct.pack("<Q", middle))[0], each) >= wanted:
            high = middle
        else:
            low = middle + 1
    return struct.unpack("<d", struct.pack("<Q", low))[0]


def quantile(values, q, accuracy=0.01):
    numbers = [float(v) for v in values if v == v]
    if not numbers:
        return NAN
    x = sorted(numbers)[int(q * float(len(numbers) - 1))]
    if math.isinf(x):
        return x
    if abs(x) < 2.0**-1022:
        return 0.0
    each = per_octave(accuracy)
    at = bucket(abs(x), each)
    low, high = first_of(at, each), min(first_of(at + 1, each), 1.7976931348623157e308)
    answer = low * (2 / (1 + low / high))
    if abs(answer - abs(x)) > accuracy * abs(x) * 1.0000001:
        raise AssertionError(f"the rule itself misses its bound at {x}")
    return -answer if x < 0 else answer


# ---------------------------------------------------------------- an aggregate
@dataclasses.dataclass
class Slot:
    name: str
    op: str
    of: str | None
    kind: str
    length: int
    k: int = 3
    q: float = 0.5
    alpha: float = 0.5
    cap: int = 1024


class About:
    """A number of different values beyond the cap: within five standard errors."""

    def __init__(self, n):
        self.n = n

    def holds(self, got):
        return abs(got - self.n) <= max(2, 5 * 0.01625 * self.n)


def answer(slot, events, t):
    """Of the events that count at t, in order of (time, sequence)."""
    begin, end = bounds(slot.kind, slot.length, t)
    inside = [e for e in events if begin <= e.ts < end]
    if slot.of is None:
        return len(inside)
    values = [e.values[slot.of] for e in inside if e.values[slot.of] is not None]
    op = slot.op
    if op == "count":
        return len(values)
    if op in ("distinct", "count_distinct"):
        different = len({("nan" if v != v else v + 0.0 if isinstance(v, float) else v) for v in values})
        return different if different <= slot.cap else About(different)
    if op == "last_k":
        return values[-slot.k:][::-1]
    if op in ("top_k", "histogram"):
        counts = {}
        for v in values:
            counts[v] = counts.get(v, 0) + 1
        if op == "histogram":
            return dict(sorted(counts.items())) if len(counts) <= slot.cap else None
        return [v for v, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:slot.k]]
    if op.startswith("list_"):
        values = [v for v in values if v]
        return [(total if op == "list_sum" else mean)(list(column)) for column in zip(*values)] if values else None
    if not values:
        return None
    if op == "sum":
        return total(values)
    if op == "mean":
        return mean(values)
    if op in ("var", "var_pop", "stddev", "stddev_pop", "skew", "kurtosis"):
        return spread(op, values)
    if op in ("min", "max"):
        return (min if op == "min" else max)(values, key=rank_of)
    if op in ("first", "last"):
        return values[0 if op == "first" else -1]
    if op == "ewma":
        y = None
        for v in values[-1024:]:
            y = float(v) if y is None else slot.alpha * float(v) + (1 - slot.alpha) * y
        return y
    if op == "quantile":
        return quantile(values, slot.q)
    if op in ("any", "all"):
        return (any if op == "any" else all)(values)
    raise AssertionError(op)
