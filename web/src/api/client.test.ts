import { afterEach, expect, test, vi } from "vitest";
import { ApiError, api_url, call, idempotency_key, query, set_token } from "./client";

afterEach(() => {
  vi.unstubAllGlobals();
  set_token(null);
});

function answer_with(status: number, body: string) {
  const fetch = vi.fn(
    async (_url: string, _init: RequestInit) =>
      new Response(status === 204 ? null : body, { status }),
  );
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

test("another project is a prefix of the path", () => {
  expect(api_url("default", "/models")).toBe("/api/slipway/v1/models");
  expect(api_url("team a", "/models")).toBe("/~team%20a/api/slipway/v1/models");
});

test("queries leave out what isn't set", () => {
  expect(query({ a: 1, b: undefined, c: null, d: "", e: "x y" })).toBe("?a=1&e=x+y");
  expect(query({})).toBe("");
});

test("an error carries what the server said", async () => {
  answer_with(
    409,
    JSON.stringify({
      detail: "no gate",
      code: "model_version.gate_missing",
      hint: "run it",
      trace_id: "t",
    }),
  );
  const error = await call<ApiError>("default", "/x", { method: "POST", body: {} }).catch(
    (e: unknown) => e as ApiError,
  );
  expect(error).toBeInstanceOf(ApiError);
  expect([error.status, error.code, error.message, error.hint, error.trace_id]).toEqual([
    409,
    "model_version.gate_missing",
    "no gate",
    "run it",
    "t",
  ]);
});

test("an error that isn't ours still says its status", async () => {
  answer_with(502, "<html>bad gateway</html>");
  const error = await call<ApiError>("default", "/x").catch((e: unknown) => e as ApiError);
  expect([error.status, error.code]).toEqual([502, "http_502"]);
});

test("a server that can't be reached is an error of its own", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("failed");
  });
  const error = await call<ApiError>("default", "/x").catch((e: unknown) => e as ApiError);
  expect([error.status, error.code]).toEqual([0, "unreachable"]);
});

test("changes carry an idempotency key and the token, reads carry no key", async () => {
  const fetch = answer_with(200, "{}");
  set_token("slp_x");
  await call<ApiError>("default", "/x", { method: "POST", body: { a: 1 } });
  await call<ApiError>("default", "/x");
  const [post, get] = fetch.mock.calls.map(([, init]) => init.headers as Record<string, string>);
  expect(post?.["Idempotency-Key"]).toMatch(/^[0-9a-f]{32}$/);
  expect(post?.Authorization).toBe("Bearer slp_x");
  expect(get?.["Idempotency-Key"]).toBeUndefined();
  expect(idempotency_key()).not.toBe(idempotency_key());
});

test("no content is no value", async () => {
  answer_with(204, "");
  expect(await call<ApiError>("default", "/x")).toBeUndefined();
});
