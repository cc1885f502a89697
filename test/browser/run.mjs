// node run.mjs URL SEEN.json [JOURNEY]: the journeys, then axe, overflow and a screenshot of every page
// in both themes and two widths. Prints a line each; exits with 1 when something failed.
import fs from "node:fs";
import path from "node:path";
import { feature_journeys, feature_pages } from "./features.mjs";
import { journeys } from "./journeys.mjs";
import { axe, launch, open_page, root } from "./kit.mjs";
import { run_journeys, run_pages } from "./runs.mjs";

const [url, seen_file, only] = process.argv.slice(2);
const seen = JSON.parse(fs.readFileSync(seen_file, "utf8"));
const shots = path.join(root, "build/screenshots");
const kSettle_ms = 700; // Charts draw after their data; a screenshot waits for that, no assertion does.

const release_pages = () => ({
  overview: "/p/default",
  models: "/p/default/models",
  model: `/p/default/models/${seen.model.name}`,
  release: `/p/default/models/${seen.explained.model}?v=${seen.explained.version}`,
  "model-then": `/p/default/models/${seen.explained.model}?v=1&at=${seen.then_ms}`,
  approvals: "/p/default/approvals?whose=all",
  deployments: "/p/default/deployments",
  deployment: `/p/default/deployments/${seen.deployment.name}`,
  "deployment-table": `/p/default/deployments/${seen.deployment.name}?view=table`,
  datasets: "/p/default/datasets",
  dataset: `/p/default/datasets/${seen.dataset.name}`,
  ledger: `/p/default/ledger?seq=${seen.ledger[0].seq}`,
});
// Each world has its own pages and journeys: releases and serving, or experiments and runs.
const of_releases = () => [release_pages(), journeys];
const of_runs = () => [{ ...run_pages(seen), ...feature_pages }, { ...run_journeys, ...feature_journeys }];
const [pages, named] = seen.tracking ? of_runs() : of_releases();

let failed = 0;

async function step(name, run) {
  const begun = performance.now();
  try {
    await run();
    console.log(`ok   ${name} ${((performance.now() - begun) / 1000).toFixed(2)} s`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stack ?? error}`);
  }
}

async function inspect(browser, theme, width) {
  const { context, page, complaints } = await open_page(browser, url, {
    theme,
    width,
    motion: "reduce",
  });
  for (const [name, at] of Object.entries(pages)) {
    await step(`page ${name} ${theme} ${width}`, async () => {
      await page.goto(url + at);
      await page.locator("h1").first().waitFor();
      await page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
      await page.waitForTimeout(kSettle_ms);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      const found = [...(await axe(page)), ...complaints.splice(0)];
      if (over > 0) found.push(`${over} pixels wider than the window`);
      await page.screenshot({
        path: path.join(shots, `${name}-${theme}-${width}.png`),
        fullPage: true,
      });
      if (found.length > 0) throw new Error(found.join("\n"));
    });
  }
  await context.close();
}

fs.mkdirSync(shots, { recursive: true });
const browser = await launch();
try {
  if (!only) {
    for (const theme of ["light", "dark"]) {
      for (const width of [1440, 360]) await inspect(browser, theme, width);
    }
  }
  for (const [name, run] of Object.entries(named)) {
    if (!only || name.includes(only)) await step(name, () => run({ browser, url, seen }));
  }
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
