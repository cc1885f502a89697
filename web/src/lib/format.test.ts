import { describe, expect, test } from "vitest";
import * as f from "./format";

const nnbsp = (text: string) => text.replaceAll("\u202f", " ");

test("every writer has a word for missing, NaN and the infinities", () => {
  for (const write of [
    f.integer,
    f.decimal,
    f.percent,
    f.quantity,
    f.bytes,
    f.duration_us,
    f.span_ms,
  ]) {
    expect(write(null)).toBe("–");
    expect(write(undefined)).toBe("–");
    expect(write(Number.NaN)).toBe("NaN");
    expect(write(Number.POSITIVE_INFINITY)).toBe("∞");
    expect(write(Number.NEGATIVE_INFINITY)).toBe("−∞");
  }
});

describe("numbers", () => {
  const rows: [string, string][] = [
    [f.integer(12345), "12,345"],
    [f.integer(-2), "−2"],
    [f.decimal(0.80149), "0.801"],
    [f.signed(0.0112), "+0.011"],
    [f.signed(-0.5, 1), "−0.5"],
    [f.percent(0.2), "20 %"],
    [f.percent(0.0123), "1.2 %"],
    [f.percent(0.9999), "100 %"],
    [f.quantity(0.00042), "4.2e−4"],
    [f.quantity(0), "0"],
    [f.quantity(132.4), "132"],
    [f.quantity(3_200_000), "3.2e6"],
    [f.bytes(1023), "1023 B"],
    [f.bytes(1536), "1.5 KiB"],
    [f.bytes(600 * 1024 * 1024), "600 MiB"],
    [f.duration_us(132), "132 µs"],
    [f.duration_us(4210), "4.2 ms"],
    [f.duration_us(2_000_000), "2 s"],
    [f.span_ms(61_000), "1 min 1 s"],
    [f.span_ms(3 * 86_400_000 + 4 * 3_600_000), "3 d 4 h"],
    [f.short_digest("sha256:0123456789abcdef"), "0123456789ab"],
    [f.short_digest(null), "–"],
    [f.plural(1, "version"), "1 version"],
    [f.plural(2, "version"), "2 versions"],
    [f.words("rolled_back"), "rolled back"],
  ];
  test.each(rows)("%s is %s", (got, want) => expect(nnbsp(got)).toBe(want));
});

test("ago keeps one unit", () => {
  expect(nnbsp(f.ago(0, 3_000))).toBe("just now");
  expect(nnbsp(f.ago(0, 65_000))).toBe("1 min ago");
});
