import { expect, test } from "vitest";
import { parse_invalidate, stale_keys } from "./live";
import { type SseEvent, SseParser } from "./sse";

function events_of(pieces: string[]): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event));
  for (const piece of pieces) parser.feed(piece);
  return events;
}

const kStream =
  ': hello\n\nid: 7\ndata: {"a":1}\n\ndata:x\ndata: y\r\n\r\nevent: note\rdata: z\r\r: beat\n';
const kEvents = [
  { id: "7", type: "message", data: '{"a":1}' },
  { id: "7", type: "message", data: "x\ny" },
  { id: "7", type: "note", data: "z" },
];

test("a stream cut at any place gives the same events", () => {
  expect(events_of([kStream])).toEqual(kEvents);
  expect(events_of([...kStream])).toEqual(kEvents);
  for (let cut = 0; cut <= kStream.length; cut++) {
    expect(events_of([kStream.slice(0, cut), kStream.slice(cut)])).toEqual(kEvents);
  }
});

test("an unfinished event is not delivered", () => {
  expect(events_of(["data: half\n"])).toEqual([]);
});

test("only well-formed invalidations count", () => {
  const rows: [string, string[] | null][] = [
    ['{"type":"invalidate","key":["models","fraud"],"rev":4}', ["models", "fraud"]],
    ['{"type":"other","key":["models"]}', null],
    ['{"type":"invalidate"}', null],
    ["not json", null],
  ];
  for (const [data, key] of rows) expect(parse_invalidate(data)?.key ?? null).toEqual(key);
});

test("an event makes its family, the ledger and the alerts stale", () => {
  expect(stale_keys("p", { key: ["models", "fraud"] })).toEqual([
    ["p", "ledger"],
    ["p", "models"],
    ["p", "alerts"],
  ]);
  expect(stale_keys("p", { key: [] })).toEqual([["p", "ledger"]]);
  expect(stale_keys("p", { key: ["alerts"] })).toEqual([
    ["p", "ledger"],
    ["p", "alerts"],
  ]);
});
