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
  const odd = [t.diverged, ...t.run_ids.slice(0, 3)].join(",");
  const tree_open = [t.tree.parent, t.tree.children[0]].map((id) => `r${id}`).join(",");
  return {
    experiments: `${kConsole}/experiments`,
    runs: `${kConsole}/experiments/${t.experiment_id}?sel=${t.run_ids.slice(-3).join(",")}`,
    "runs-grouped": `${kConsole}/experiments/${t.experiment_id}?group=params.optimizer&open=g%253Dadam`,
    "runs-by-metric": `${kConsole}/experiments/${t.experiment_id}?group=metrics.accuracy&buckets=5`,
    "runs-by-nan": `${kConsole}/experiments/${t.experiment_id}?group=metrics.diverged&cols=metrics.diverged,metrics.peak,metrics.accuracy`,
    "runs-nested": `${kConsole}/experiments/${t.tree.experiment_id}?nest=1&open=${tree_open}`,
    run: `${kConsole}/runs/${t.run_ids[0]}`,
    "run-zoomed": `${kConsole}/runs/${t.run_ids[1]}?zoom=1200..1260`,
    "run-nan": `${kConsole}/runs/${t.diverged}`,
    "compare-curves": `${kConsole}/compare?runs=${three}&smooth=0.6`,
    "compare-log": `${kConsole}/compare?runs=${three}&logx=1&logy=1&keys=train%2Floss`,
    "compare-zoomed": `${kConsole}/compare?runs=${three}&keys=train%2Floss&zoom=1200..1300`,
    "compare-time": `${kConsole}/compare?runs=${three}&keys=train%2Floss&x=time`,
    "compare-nan": `${kConsole}/compare?runs=${odd}&keys=diverged,peak,accuracy`,
    "compare-parallel": `${kConsole}/compare?runs=${many}&tab=parallel`,
    "compare-brushed": `${kConsole}/compare?runs=${many}&tab=parallel&brush=metrics.accuracy:0.75..0.88`,
    "compare-parallel-nan": `${kConsole}/compare?runs=${odd}&tab=parallel&axes=metrics.diverged,metrics.peak,metrics.accuracy`,
    "compare-scatter-nan": `${kConsole}/compare?runs=${odd}&tab=scatter&sx=metrics.diverged&sy=metrics.peak`,
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

  async runs_in_groups(world) {
    const t = world.seen.tracking;
    await with_page(world, `${table(world)}?cols=metrics.accuracy,params.lr`, async (page) => {
      await page.getByRole("button", { name: "Group by" }).click();
      await page.getByLabel("Find a key").fill("optim");
      await page.getByLabel("params.optimizer").check();
      await page.getByRole("button", { name: "Group", exact: true }).click();
      await page.waitForURL(/group=params.optimizer/);
      await says(page.getByTestId("run-count"), `${t.run_ids.length} runs in 3 groups`, "groups");
      for (const [name, want] of Object.entries(t.groups)) {
        const row = page.getByTestId(`group-=${name}`);
        await says(row.getByTestId("runs"), integer(want.runs), `runs of ${name}`);
        const cell = row.getByTestId("metrics.accuracy");
        await says(cell.getByTestId("mean"), figure(want.mean), `mean of ${name}`);
        const span = `${figure(want.min)} … ${figure(want.max)}`;
        await says(cell.getByTestId("span"), span, `span of ${name}`);
      }
      await page.getByRole("button", { name: "Open sgd" }).click();
      await page.waitForURL(/open=g/);
      const inside = page.getByTestId(/^run-[0-9a-f]{32}$/);
      await inside.first().waitFor();
      await page.getByRole("treegrid", { name: "Runs" }).getByRole("button", { name: "accuracy" }).click();
      await page.waitForURL(/order=/);
      const by_mean = Object.entries(t.groups).sort((a, b) => b[1].mean - a[1].mean)[0][0];
      const top = page.getByTestId(`group-=${by_mean}`);
      const deadline = Date.now() + 10_000;
      while ((await top.getAttribute("aria-rowindex")) !== "2" && Date.now() < deadline)
        await page.waitForTimeout(100);
      equal(await top.getAttribute("aria-rowindex"), "2", "row of the best group");
      await page.reload();
      await inside.first().waitFor();
    });
  },

  async runs_by_a_metric_with_nan(world) {
    const t = world.seen.tracking;
    await with_page(world, `${table(world)}?group=metrics.diverged&cols=metrics.peak`, async (page) => {
      const nan = page.getByTestId("group-NaN");
      const runs = t.run_ids.filter((_, i) => i % 50 === 9).length;
      await says(nan.getByTestId("runs"), integer(runs), "runs that diverged");
      await says(nan.getByTestId("mean"), `${runs} ∞`, "what they have instead of a mean");
      await says(page.getByTestId("group-none").getByTestId("runs"), integer(t.run_ids.length - runs), "the rest");
      await page.getByRole("button", { name: "Open NaN" }).click();
      await says(page.getByTestId(`run-${t.diverged}`).getByTestId("metrics.peak"), "∞", "its cell");
    });
  },

  async runs_nested_by_keyboard(world) {
    const { tree } = world.seen.tracking;
    await with_page(world, `${kConsole}/experiments/${tree.experiment_id}`, async (page) => {
      const line = (id) => page.getByTestId(`run-${id}`);
      await line(tree.grandchild).waitFor();
      await page.getByLabel("Nested").check({ force: true });
      await page.waitForURL(/nest=1/);
      await line(tree.grandchild).waitFor({ state: "detached" });
      await says(page.getByTestId("run-count"), "2 runs at the top", "roots");
      await tab_to(page, "treegrid", "Runs");
      await page.keyboard.press("ArrowDown"); // Newest first: the single run, then the parent.
      await page.keyboard.press("ArrowRight");
      await line(tree.children[0]).waitFor();
      equal(await line(tree.parent).getAttribute("aria-expanded"), "true", "the parent");
      equal(await line(tree.children[0]).getAttribute("aria-level"), "2", "level of a child");
      for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowDown"); // The first child is the last.
      await page.keyboard.press("ArrowRight");
      await line(tree.grandchild).waitFor();
      equal(await line(tree.grandchild).getAttribute("aria-level"), "3", "level of its child");
      await page.reload();
      await line(tree.grandchild).waitFor();
      await tab_to(page, "treegrid", "Runs");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowLeft");
      await line(tree.children[0]).waitFor({ state: "detached" });
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

  async compare_curves_zoom_to_every_point(world) {
    const ids = long(world);
    const at = `${kConsole}/compare?runs=${ids.join(",")}&keys=train%2Floss`;
    await with_page(world, at, async (page) => {
      const chart = page.getByRole("img", { name: /^train\/loss by step/ });
      const box = await chart.boundingBox();
      const asked = page.waitForRequest(
        (r) => r.url().endsWith("/curves") && JSON.parse(r.postData()).from !== undefined,
      );
      await page.mouse.move(box.x + box.width * 0.4, box.y + 60);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.45, box.y + 60, { steps: 5 });
      await page.mouse.up();
      await page.waitForURL(/zoom=/);
      const { from, to, points } = JSON.parse((await asked).postData());
      holds(from > 900 && to < 1600 && to - from < 400, `part ${from} to ${to}`);
      holds(points >= 500, `${points} points for a chart of ${box.width} pixels`);
      const seen = page.getByRole("img", { name: /seen from/ });
      await seen.waitFor();
      const fine = page.locator("[data-fine]");
      const sees = to - from + 1;
      await fine.first().waitFor();
      equal(await fine.getAttribute("data-fine"), integer(3 * sees), "points of the part");
      await page.getByRole("button", { name: "Zoom out" }).click();
      await page.getByRole("button", { name: "Move right" }).click();
      await page.getByRole("button", { name: "Show all" }).click();
      await page.waitForURL((url) => !url.search.includes("zoom"));
      await page.getByLabel("Relative").check({ force: true });
      await page.getByRole("button", { name: "Zoom in" }).click();
      await page.waitForURL(/zoom=/);
      await fine.first().waitFor();
    });
  },

  async compare_brushes_by_mouse_and_keys(world) {
    const ids = world.seen.tracking.run_ids.slice(3, 15);
    const at = `${kConsole}/compare?runs=${ids.join(",")}&tab=parallel&axes=metrics.accuracy,params.lr`;
    await with_page(world, at, async (page) => {
      const strip = page.getByTestId("brush-metrics.accuracy");
      const box = await strip.boundingBox();
      const middle = box.x + box.width / 2;
      await page.mouse.move(middle, box.y + box.height * 0.3);
      await page.mouse.down();
      await page.mouse.move(middle, box.y + box.height * 0.8, { steps: 6 });
      await page.mouse.up();
      await page.waitForURL(/brush=/);
      const note = await text_of(page.getByTestId("brushed"));
      const inside = page.getByTestId(/^inside-/);
      const count = await inside.count();
      holds(count > 0 && count < ids.length, `${count} runs inside`);
      equal(note, `${count} run${count === 1 ? "" : "s"} of ${ids.length} inside 1 brush`, "its note");
      const upper = page.getByRole("slider", { name: "metrics.accuracy, upper end of the brush" });
      await upper.focus();
      await page.keyboard.press("End");
      await page.keyboard.press("ArrowDown");
      await page.waitForTimeout(100);
      holds((await inside.count()) >= count, "an end moved by keys");
      await page.getByLabel("Table", { exact: true }).check({ force: true });
      const heads = page.getByRole("columnheader");
      await page.getByTestId("diff-metrics.accuracy").waitFor();
      const left = (await heads.count()) - 1;
      holds(left < ids.length, `${left} columns of the table`);
      await page.getByLabel("Parallel").check({ force: true });
      await upper.focus();
      await page.keyboard.press("Delete");
      await page.waitForURL((url) => !url.search.includes("brush"));
      await page.getByTestId("brushed").waitFor({ state: "detached" });
    });
  },

  async compare_survives_nan_on_every_view(world) {
    const t = world.seen.tracking;
    const ids = t.run_ids.filter((_, i) => i % 50 === 9).join(",");
    for (const view of ["keys=diverged,peak", "tab=parallel&axes=metrics.diverged,metrics.peak",
      "tab=scatter&sx=metrics.diverged&sy=metrics.peak", "tab=table",
      "keys=diverged&logx=1&logy=1&smooth=0.9&zoom=0..5", "tab=parallel&brush=metrics.peak:0..1"])
      await with_page(world, `${kConsole}/compare?runs=${ids}&${view}`, async (page) => {
        await page.getByRole("list", { name: "Runs compared" }).waitFor();
        await page.waitForTimeout(200);
        equal(await page.getByRole("alert").count(), 0, `alerts of ${view}`);
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
