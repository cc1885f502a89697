// Runs a bundle's golden rows with onnxruntime-web and says how far its answers are from the server's. The page beside
// it imports this; `node run.mjs` does the same on the command line and prints the report as JSON.

const RUNTIME = { script: "ort/ort.wasm.bundle.min.mjs", wasm: "ort/ort-wasm-simd-threaded.wasm" };
const ARRAYS = {
  BOOL: ["bool", Uint8Array], UINT8: ["uint8", Uint8Array], INT8: ["int8", Int8Array], UINT16: ["uint16", Uint16Array],
  INT16: ["int16", Int16Array], UINT32: ["uint32", Uint32Array], INT32: ["int32", Int32Array],
  UINT64: ["uint64", BigUint64Array], INT64: ["int64", BigInt64Array], FP32: ["float32", Float32Array],
  FP64: ["float64", Float64Array],
};
const REAL = new Set(["FP32", "FP64"]);

export const runtimeFiles = RUNTIME;

function bytesOf(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) out[i] = text.charCodeAt(i);
  return out;
}

/** The values of a tensor of golden.json: exact, little-endian. */
export function valuesOf(tensor) {
  if (tensor.datatype === "BYTES") return tensor.texts_base64.map((t) => new TextDecoder().decode(bytesOf(t)));
  const kind = ARRAYS[tensor.datatype];
  if (!kind) throw new Error(`the browser's runtime has no ${tensor.datatype}`);
  return new kind[1](bytesOf(tensor.base64).buffer);
}

async function hexDigest(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Paths whose bytes aren't those that the manifest names; null where this page may not compute digests. */
export async function checkFiles(read, manifest) {
  if (!globalThis.crypto?.subtle) return null;
  const wrong = [];
  for (const file of [...manifest.files, ...(manifest.runtime.files ?? [])]) {
    const bytes = await read(file.path).catch(() => null);
    if (!bytes || (await hexDigest(bytes)) !== file.sha256) wrong.push(file.path);
  }
  return wrong;
}

/** Differences of two lists of numbers, beside a tolerance. NaN equals NaN. */
export function compareNumbers(want, have, { atol, rtol }) {
  const out = { values: want.length, max_abs: 0, max_rel: 0, outside: 0 };
  for (let i = 0; i < want.length; i += 1) {
    const w = Number(want[i]), h = Number(have[i]);
    if (w === h || (Number.isNaN(w) && Number.isNaN(h))) continue;
    const apart = Math.abs(w - h);
    if (!Number.isFinite(apart)) {
      out.max_abs = Infinity;
      out.max_rel = Infinity;
      out.outside += 1;
      continue;
    }
    out.max_abs = Math.max(out.max_abs, apart);
    out.max_rel = Math.max(out.max_rel, apart / Math.max(Math.abs(w), Math.abs(h)));
    if (apart > atol + rtol * Math.abs(w)) out.outside += 1;
  }
  return out;
}

/** How many decisions there are, and how many differ: a threshold's of numbers, whole values else. */
export function compareDecisions(tensor, want, have, manifest) {
  const { atol, rtol } = manifest.golden;
  const out = { decisions: 0, flips: 0 };
  if (!REAL.has(tensor.datatype)) {
    for (let i = 0; i < want.length; i += 1) {
      out.decisions += 1;
      if (want[i] !== have[i]) out.flips += 1;
    }
    return out;
  }
  const meant = manifest.decision;
  if (!meant || meant.output !== tensor.name) return out;
  const rows = tensor.shape[0] ?? 1, stride = want.length / rows;
  for (let row = 0; row < rows; row += 1) {
    const at = row * stride + meant.column;
    if (Math.abs(want[at] - meant.threshold) <= atol + rtol * Math.abs(want[at])) continue; // Too near to decide.
    out.decisions += 1;
    if (want[at] >= meant.threshold !== have[at] >= meant.threshold) out.flips += 1;
  }
  return out;
}

/** Loads the model once and answers the golden rows. */
export async function runGolden(ort, read, manifest) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await read(RUNTIME.wasm);
  const golden = JSON.parse(new TextDecoder().decode(await read(manifest.golden.file)));
  const model = await read(manifest.model.file);
  const began = performance.now();
  const session = await ort.InferenceSession.create(model);
  const loaded = performance.now();
  const feeds = {};
  for (const tensor of golden.inputs) {
    const type = tensor.datatype === "BYTES" ? "string" : ARRAYS[tensor.datatype]?.[0];
    feeds[tensor.name] = new ort.Tensor(type, valuesOf(tensor), tensor.shape);
  }
  const ran = performance.now();
  const answers = await session.run(feeds);
  const done = performance.now();
  const outputs = [];
  for (const tensor of golden.outputs) {
    const have = answers[tensor.name];
    if (!have || have.dims.join() !== tensor.shape.join()) throw new Error(`output ${tensor.name} has another shape`);
    const want = valuesOf(tensor);
    const numbers = tensor.datatype === "BYTES" ? { values: want.length, max_abs: 0, max_rel: 0, outside: 0 }
      : compareNumbers(want, have.data, manifest.golden);
    outputs.push({ name: tensor.name, datatype: tensor.datatype, ...numbers,
      ...compareDecisions(tensor, want, have.data, manifest), have: have.data });
  }
  const sum = (field) => outputs.reduce((all, o) => all + o[field], 0);
  const most = (field) => outputs.reduce((all, o) => Math.max(all, o[field]), 0);
  return {
    model: manifest.model.name, version: manifest.model.version, runtime: `${manifest.runtime.package} ${manifest.runtime.version}`,
    rows: golden.rows, golden_from: golden.from, outputs, values: sum("values"), max_abs: most("max_abs"), max_rel: most("max_rel"),
    outside: sum("outside"), decisions: sum("decisions"), flips: sum("flips"), load_ms: loaded - began, run_ms: done - ran,
    holds: sum("outside") === 0 && sum("flips") === 0,
  };
}

/** Predictions as counts between equal steps: what leaves the device instead of them. */
export function sketchOf(values, bins = 20) {
  const real = Array.from(values, Number).filter(Number.isFinite);
  if (real.length === 0) return { count: 0, missing: values.length, min: null, max: null, counts: [] };
  const min = real.reduce((a, b) => Math.min(a, b)), max = real.reduce((a, b) => Math.max(a, b));
  const counts = new Array(bins).fill(0);
  for (const x of real) counts[Math.min(bins - 1, Math.floor(((x - min) / (max - min || 1)) * bins))] += 1;
  return { count: real.length, missing: values.length - real.length, min, max, counts };
}

async function main() {
  const { readFile } = await import("node:fs/promises");
  const read = async (path) => new Uint8Array(await readFile(new URL(path, import.meta.url)));
  const manifest = JSON.parse(new TextDecoder().decode(await read("manifest.json")));
  const wrong = await checkFiles(read, manifest);
  const report = await runGolden(await import(new URL(RUNTIME.script, import.meta.url)), read, manifest);
  for (const output of report.outputs) output.have = Array.from(output.have, (x) => (typeof x === "bigint" ? Number(x) : x));
  console.log(JSON.stringify({ ...report, wrong_files: wrong }));
  process.exitCode = report.holds && wrong?.length === 0 ? 0 : 1;
}

if (typeof process !== "undefined" && process.argv?.[1] && import.meta.url.endsWith(process.argv[1].split("/").pop())) await main();
