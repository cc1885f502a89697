// node bundle.mjs URL: a bundle's page in Chromium. It runs by itself, sends nothing until it is allowed to, and then a
// report; prints what it found as JSON.
import { axe, equal, holds, launch, open_page } from "./kit.mjs";

const [url] = process.argv.slice(2);
const browser = await launch();
try {
  const { page, complaints } = await open_page(browser, url);
  const posts = [];
  page.on("request", (request) => request.method() !== "GET" && request.method() !== "HEAD" && posts.push(request.url()));
  await page.goto(`${url}/index.html`);
  await page.waitForFunction(() => document.body.dataset.state !== "running", null, { timeout: 60_000 });
  const state = await page.evaluate(() => document.body.dataset.state);
  equal(state, "done", `the page: ${await page.locator("#verdict").textContent()}`);
  const report = await page.evaluate(() => {
    const { outputs, ...figures } = globalThis.slipwayReport;
    return { ...figures, outputs: outputs.map(({ have, ...o }) => o) };
  });
  holds((await page.locator("#files").textContent()).startsWith("All files are"), "digests were checked");
  const found = await axe(page);
  equal(found.length, 0, `accessibility: ${JSON.stringify(found)}`);
  equal(complaints.length, 0, `complaints: ${complaints.join("; ")}`);
  await page.locator("#url").fill(`${url}/report`);
  await page.locator("#labels").fill("0,yes\n3,no");
  holds(await page.locator("#submit").isDisabled(), "nothing can be sent before it is allowed");
  equal(posts.length, 0, "nothing was sent");
  await page.locator("#allow").check();
  await page.locator("#submit").click();
  await page.locator("#sent").filter({ hasText: "Sent." }).waitFor();
  equal(posts.length, 1, "one report");
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
