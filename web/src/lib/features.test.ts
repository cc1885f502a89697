import { describe, expect, it } from "vitest";
import type { Definition } from "../api/features";
import { key_value, readers_of, served_shares, value_text } from "./features";

const definition = (kind: string, name: string, body: Definition["definition"]): Definition => ({
  kind,
  name,
  version: 1,
  digest: "",
  created_ms: 0,
  created_by: "",
  definition: body,
});

describe("readers_of", () => {
  const all = [
    definition("FeatureService", "fraud", { features: ["spend:*", { of: "last@2:amount" }] }),
    definition("FeatureService", "other", { features: ["spender:*"] }),
    definition("OnDemand", "ratio", { inputs: { s: "spend:spend_1h" } }),
    definition("FeatureView", "spend", { features: ["spend:x"] }),
  ];
  it("finds services and on-demand views by whole names", () => {
    expect(readers_of("spend", all).map((d) => d.name)).toEqual(["fraud", "ratio"]);
    expect(readers_of("last", all).map((d) => d.name)).toEqual(["fraud"]);
    expect(readers_of("nobody", all)).toEqual([]);
  });
});

describe("key_value", () => {
  it("reads numbers where numbers are keys, and text where text is", () => {
    expect(key_value(" 17 ", { name: "u", type: "int64" })).toBe(17);
    expect(key_value("x", { name: "u", type: "int64" })).toBeNull();
    expect(key_value("9007199254740993", { name: "u", type: "int64" })).toBeNull();
    expect(key_value("17", { name: "u", type: "string" })).toBe("17");
    expect(key_value("", { name: "u", type: "string" })).toBeNull();
  });
});

describe("served_shares and value_text", () => {
  it("says nothing of nothing", () => {
    expect(served_shares({ PRESENT: 0, NOT_FOUND: 0 })).toBeNull();
    expect(served_shares({ PRESENT: 3, NOT_FOUND: 1 })?.[1]).toEqual({
      status: "NOT_FOUND",
      n: 1,
      share: 0.25,
    });
    expect(value_text(null)).toBe("–");
    expect(value_text([1, 2])).toBe("[1,2]");
    expect(value_text("NaN")).toBe("NaN");
  });
});
