import { expect, test } from "vitest";
import { schema_changes } from "./schema";

const field = (name: string, type = "string", nullable = false) => ({ name, type, nullable });

test("columns are same, changed, added or removed", () => {
  const rows = schema_changes(
    [field("a"), field("b"), field("c")],
    [field("c"), field("b", "int64"), field("d")],
  );
  expect(rows.map((r) => [r.name, r.change])).toEqual([
    ["c", "same"],
    ["b", "changed"],
    ["d", "added"],
    ["a", "removed"],
  ]);
  expect(schema_changes(undefined, [field("a")])[0]?.change).toBe("same");
  expect(schema_changes([field("a")], [field("a", "string", true)])[0]?.change).toBe("changed");
});
