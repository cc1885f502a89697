import { describe, expect, it } from "vitest";
import { figure, number_of, param_number } from "./odd";

describe("numbers without a JSON word", () => {
  it("are read", () => {
    expect(number_of("NaN")).toBeNaN();
    expect(number_of("Infinity")).toBe(Number.POSITIVE_INFINITY);
    expect(number_of("-Infinity")).toBe(Number.NEGATIVE_INFINITY);
    expect(number_of(0.5)).toBe(0.5);
    expect(number_of("0.5")).toBeNull();
    expect(number_of(null)).toBeNull();
    expect(number_of(undefined)).toBeNull();
  });
  it.each([
    [null, "–"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "−∞"],
    [Number.POSITIVE_INFINITY, "∞"],
    [0, "0"],
    [-0.1234567, "−0.123457"],
    [12345.678, "12345.7"],
    [1e12, "1.000e12"],
    [0.00001234, "1.234e−5"],
  ])("%s is written %s", (value, text) => {
    expect(figure(value)).toBe(text);
  });
  it("params that are numbers", () => {
    expect(param_number("1e-3")).toBe(0.001);
    expect(param_number("adam")).toBeNull();
    expect(param_number("")).toBeNull();
    expect(param_number(undefined)).toBeNull();
  });
});
