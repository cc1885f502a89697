// What journeys share: Chromium, a page that notices every complaint, small assertions.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(path.join(root, "web/package.json"));
const { chromium } = require("playwright-core");
const axe_source = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const kFlags =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking " +
  "--disable-component-update --disable-sync";
const kAxeTags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const kPatience_ms = 10_000;

export function launch() {
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: kFlags.split(" ") });
}

/** A page of its own context; `complaints` fills with console errors, exceptions, foreign requests. */
export async function open_page(browser, url, options = {}) {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.theme ?? "light",
    reducedMotion: options.motion ?? "no-preference",
  });
  context.setDefaultTimeout(kPatience_ms);
  const page = await context.newPage();
  const complaints = [];
  watch(page, url, complaints);
  return { context, page, complaints };
}

export function watch(page, url, complaints) {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      complaints.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("request", (request) => {
    const at = request.url();
    if (!at.startsWith(url) && !at.startsWith("data:") && !at.startsWith("blob:")) {
      complaints.push(`foreign request: ${at}`);
    }
  });
}

export function equal(got, want, what) {
  if (got !== want)
    throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** The text of an element, its thin spaces made plain. */
export async function text_of(locator) {
  return ((await locator.first().textContent()) ?? "").replaceAll(/[\u202f\u00a0]/g, " ").trim();
}

/** Polls until the element says `want`; the page refreshes itself, so a number may need a moment. */
export async function says(locator, want, what) {
  const deadline = Date.now() + kPatience_ms;
  let got = "";
  for (;;) {
    got = await text_of(locator).catch((error) => `(${error.message.split("\n")[0]})`);
    if (got === String(want)) return;
    if (Date.now() > deadline) equal(got, String(want), what);
    await locator.page().waitForTimeout(100);
  }
}

/** Presses Tab until what has the focus is a `role` called `name`; then it is usable by keys alone. */
export async function tab_to(page, role, name) {
  const kTabsMax = 120;
  const wanted = page.getByRole(role, { name, exact: true });
  for (let i = 0; i < kTabsMax; i++) {
    const there = await wanted.evaluateAll((nodes) =>
      nodes.some((n) => n === document.activeElement),
    );
    if (there) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${kTabsMax} tabs didn't reach ${role} "${name}"`);
}

export async function axe(page) {
  await page.evaluate(axe_source);
  const { violations } = await page.evaluate(
    (tags) => window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }),
    kAxeTags,
  );
  return violations.map((v) => `${v.id}: ${v.nodes.length} × ${v.nodes[0].html.slice(0, 140)}`);
}

const grouped = new Intl.NumberFormat("en-US");
export const integer = (n) => grouped.format(n);
export const decimal = (x) => x.toFixed(3).replace(/^-/, "−");
export const percent = (x) => {
  const scaled = x * 100;
  const digits = Math.abs(scaled - Math.round(scaled)) < 0.05 ? 0 : 1;
  return `${scaled.toFixed(digits)} %`;
};
