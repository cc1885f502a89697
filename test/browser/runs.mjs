// Journeys over experiments and runs: what MLflow's REST printed (seed_runs.py) is what the console shows.
import { equal, holds, integer, open_page, says, tab_to, text_of } from "./kit.mjs";

const kConsole = "/p/default";

async function with_page(world, path, run, options) {
  const opened = await open_page(world.browser, world.url, options);
  try {
    await opened.page.goto(world.url + path);
    await run(opened.page, opened);
    equal(opened.complaints.join("\n"), "", "complaints");
  } finally {
    await opened.context.close();
  }
}

const table = (world) => `${kConsole}/experiments/${world.seen.tracking.experiment_id}`;
const long = (world) => Object.keys(world.seen.tracking.curves);
const figure = (x) => String(Number(x.toPrecision(6))).replace(/^-/, "−");

export const run_pages = (seen) => {
  const t = seen.tracking;
  const three = Object.keys(t.curves).join(",");
  const many = t.run_ids.slice(3, 15).join(",");
  return {
    experiments: `${kConsole}/experiments`,
    runs: `${kConsole}/experiments/${t.experiment_id}?sel=${t.run_ids.slice(-3).join(",")}`,
    run: `${kConsole}/runs/${t.run_ids[0]}`,
    "run-nan": `${kConsole}/runs/${t.diverged}`,
    "compare-curves": `${kConsole}/compare?runs=${three}&smooth=0.6`,
    "compare-log": `${kConsole}/compare?runs=${three}&logx=1&logy=1&keys=train%2Floss`,
    "compare-parallel": `${kConsole}/compare?runs=${many}&tab=parallel`,
    "compare-scatter": `${kConsole}/compare?runs=${many}&tab=scatter`,
    "compare-table": `${kConsole}/compare?runs=${three}&tab=table`,
  };
};

export const run_journeys = {
  async experiments_count_their_runs(world) {
    const t = world.seen.tracking;
    await with_page(world, `${kConsole}/experiments`, async (page) => {
      const row = page.getByTestId(`experiment-${t.name}`);
      await says(row.getByTestId("runs"), integer(t.run_ids.length), "runs");
      await row.getByRole("link", { name: t.name }).click();
      await says(page.getByTestId("run-count"), `${t.run_ids.length} runs`, "runs of the table");
    });
  },

  async runs_filter_with_completion(world) {
    const t = world.seen.tracking;
    await with_page(world, table(world), async (page) => {
      await says(page.getByTestId("run-count"), `${t.run_ids.length} runs`, "runs");
      const box = page.getByRole("combobox", { name: "Filter runs" });
      await box.fill("acc");
      await page.getByRole("option", { name: "metrics.accuracy" }).waitFor();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      equal(await box.inputValue(), "metrics.accuracy ", "completed");
      await box.fill(t.filter);
      await page.keyboard.press("Enter");
      const want = `${t.filtered.length} runs match the filter`;
      await says(page.getByTestId("run-count"), want, "filtered");
      await page.waitForURL(/filter=/);
      await page.reload();
      await says(page.getByTestId("run-count"), want, "filtered after a reload");
    });
  },

  async runs_a_bad_filter_is_said(world) {
    const opened = await open_page(world.browser, world.url);
    await opened.page.goto(`${world.url}${table(world)}?filter=metrics.accuracy%20%3E`);
    await opened.page.getByRole("alert").first().waitFor();
    await opened.context.close();
  },

  async runs_sort_and_scroll_to_the_last(world) {
    const t = world.seen.tracking;
    await with_page(world, table(world), async (page) => {
      const grid = page.getByRole("grid", { name: "Runs" });
      await grid.getByRole("button", { name: "accuracy" }).click();
      await page.waitForURL(/order=/);
      const first = grid.getByTestId(`run-${t.by_accuracy[0]}`);
      await first.waitFor();
      equal(await first.getAttribute("aria-rowindex"), "2", "row of the best");
      const last = grid.getByTestId(`run-${t.by_accuracy.at(-1)}`);
      const deadline = Date.now() + 10_000;
      while ((await last.count()) === 0 && Date.now() < deadline) {
        await grid.evaluate((node) => node.scrollTo(0, node.scrollHeight));
        await page.waitForTimeout(100);
      }
      equal(await last.getAttribute("aria-rowindex"), String(t.run_ids.length + 1), "last row");
      holds((await grid.getByRole("row").count()) < 80, "only the rows in sight exist");
    });
  },

  async runs_only_differing_and_saved_view(world) {
    await with_page(world, table(world), async (page) => {
      const head = (name) => page.getByRole("columnheader", { name, exact: true });
      await head("flat").waitFor();
      await page.getByLabel("Only differing").check();
      await head("flat").waitFor({ state: "detached" });
      await head("accuracy").waitFor();
      await page.getByLabel("Name of the view").fill("what differs");
      await page.getByRole("button", { name: "Save view" }).click();
      await page.getByRole("link", { name: "what differs" }).waitFor();
      await page.goto(world.url + table(world));
      await head("flat").waitFor();
      await page.getByRole("link", { name: "what differs" }).click();
      await page.waitForURL(/diff=1/);
      await head("flat").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Delete view what differs" }).click();
      await page.getByRole("link", { name: "what differs" }).waitFor({ state: "detached" });
    });
  },

  async runs_choose_columns(world) {
    await with_page(world, table(world), async (page) => {
      await page.getByRole("button", { name: "Columns" }).click();
      await page.getByLabel("Find a column").fill("team");
      await page.getByLabel("tags.team").check();
      await page.getByRole("button", { name: /^Show/ }).click();
      await page.waitForURL(/cols=/);
      const row = page.getByTestId(`run-${world.seen.tracking.run_ids.at(-1)}`);
      await row.waitFor();
      equal(await row.getByTestId("tags.team").count(), 0, "columns out of sight");
      const grid = page.getByRole("grid", { name: "Runs" });
      await grid.evaluate((node) => node.scrollTo(node.scrollWidth, 0));
      const cell = page.getByTestId(`run-${world.seen.tracking.run_ids.at(-1)}`);
      await says(cell.getByTestId("tags.team"), "vision", "a tag's cell");
    });
  },

  async runs_by_keyboard_alone(world) {
    const ids = world.seen.tracking.run_ids;
    await with_page(world, table(world), async (page) => {
      await page.getByTestId(`run-${ids.at(-1)}`).waitFor();
      await tab_to(page, "grid", "Runs");
      await page.keyboard.press("x");
      await page.keyboard.press("j");
      await page.keyboard.press("x");
      await page.getByRole("button", { name: "Compare 2" }).waitFor();
      await page.keyboard.press("Enter");
      await page.waitForURL(`**/runs/${ids.at(-2)}`);
    });
  },

  async run_page_names_nan_and_infinity(world) {
    await with_page(world, `${kConsole}/runs/${world.seen.tracking.diverged}`, async (page) => {
      await says(page.getByTestId("metric-diverged").getByTestId("latest"), "NaN", "NaN");
      await says(page.getByTestId("metric-peak").getByTestId("latest"), "∞", "infinity");
      await says(page.getByTestId("metric-diverged").getByTestId("odd"), "1 NaN", "its mark");
    });
  },

  async run_page_counts_points_and_lists_files(world) {
    const [id] = long(world);
    const want = world.seen.tracking.curves[id];
    await with_page(world, `${kConsole}/runs/${id}`, async (page) => {
      const row = page.getByTestId("metric-train/loss");
      await says(row.getByTestId("points"), integer(want.points), "points");
      await says(row.getByTestId("latest"), figure(want.last), "latest");
      await says(row.getByTestId("odd"), `${want.nan} NaN`, "NaN");
      await page.getByRole("link", { name: "report/" }).click();
      await page.getByTestId("artifact-report/summary.txt").waitFor();
    });
  },

  async run_page_follows_a_running_run(world) {
    const id = world.seen.tracking.running;
    await with_page(world, `${kConsole}/runs/${id}`, async (page) => {
      await page.getByTestId("metric-accuracy").waitFor();
      const value = 0.123456;
      const reply = await fetch(`${world.url}/api/2.0/mlflow/runs/log-metric`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ run_id: id, key: "accuracy", value, timestamp: 1, step: 5 }),
      });
      equal(reply.status, 200, "the point is logged");
      const latest = page.getByTestId("metric-accuracy").getByTestId("latest");
      await says(latest, figure(value), "the new value, without a reload");
    });
  },

  async compare_curves_say_what_histories_say(world) {
    const ids = long(world);
    const at = `${kConsole}/compare?runs=${ids.join(",")}`;
    await with_page(world, at, async (page) => {
      await page.locator("summary", { hasText: "Numbers" }).first().click();
      for (const id of ids) {
        const want = world.seen.tracking.curves[id];
        const row = page.getByTestId(`curve-train/loss-${id}`);
        await says(row.getByTestId("points"), integer(want.points), `points of ${id}`);
        await says(row.getByTestId("min"), figure(want.min), `min of ${id}`);
        await says(row.getByTestId("max"), figure(want.max), `max of ${id}`);
        await says(row.getByTestId("last"), figure(want.last), `last of ${id}`);
        await says(row.getByTestId("odd"), want.nan ? `${want.nan} NaN` : "none", `NaN of ${id}`);
      }
      await page.getByLabel("Log y").check();
      await page.waitForURL(/logy=1/);
      await page.getByLabel("Log x").check();
      await page.waitForURL(/logx=1/);
      await page.getByLabel("Relative").check({ force: true });
      await page.waitForURL(/x=relative/);
      await page.getByRole("img", { name: /^train\/loss by relative/ }).waitFor();
    });
  },

  async compare_table_shows_only_differences(world) {
    const ids = long(world);
    await with_page(world, `${kConsole}/compare?runs=${ids.join(",")}&tab=table`, async (page) => {
      await page.getByTestId("diff-params.lr").waitFor();
      equal(await page.getByTestId("diff-params.seed").count(), 0, "rows that are the same");
      await page.getByLabel("Only differing").uncheck();
      await page.getByTestId("diff-params.seed").waitFor();
      holds((await text_of(page.getByTestId("diff-params.seed"))).includes("7"), "its value");
    });
  },

  async compare_scatter_and_parallel(world) {
    const ids = long(world);
    await with_page(world, `${kConsole}/compare?runs=${ids.join(",")}&tab=scatter`, async (page) => {
      for (const id of ids) await page.getByTestId(`dot-${id}`).waitFor();
      await page.getByLabel("Parallel").check({ force: true });
      await page.getByRole("img", { name: /^Parallel coordinates of 3 runs/ }).waitFor();
      await page.getByLabel("log params.lr").check();
      await page.waitForURL(/log=/);
    });
  },
};
