// Named journeys. Each gets {browser, url, seen}: `seen` is what the CLI printed (test/suites/browser.py).
import {
  decimal,
  equal,
  holds,
  integer,
  open_page,
  percent,
  says,
  tab_to,
  text_of,
  watch,
} from "./kit.mjs";

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

export const journeys = {
  async overview_counts_what_the_cli_counts(world) {
    await with_page(world, "/", async (page) => {
      await page.waitForURL(`**${kConsole}`);
      await says(page.getByTestId("count-models"), integer(world.seen.models.length), "models");
      await says(
        page.getByTestId("count-deployments"),
        integer(world.seen.deployments.length),
        "deployments",
      );
      await says(
        page.getByTestId("count-datasets"),
        integer(world.seen.datasets.length),
        "datasets",
      );
      const served = world.seen.deployments
        .flatMap((d) => d.arms)
        .reduce((sum, a) => sum + a.requests, 0);
      await says(page.getByTestId("count-requests"), integer(served), "requests served");
      await says(page.getByTestId("live"), "Live", "state of the event stream");
    });
  },

  async models_show_stages_and_versions(world) {
    await with_page(world, `${kConsole}/models`, async (page) => {
      for (const model of world.seen.models) {
        const row = page.getByTestId(`model-${model.name}`);
        await says(
          row.getByTestId("versions"),
          integer(model.versions_count),
          `versions of ${model.name}`,
        );
        const live = model.stages.Production;
        await says(
          row.getByTestId("production"),
          live ? `v${live}` : "none",
          `production of ${model.name}`,
        );
      }
    });
  },

  async model_page_shows_gate_and_history(world) {
    const { model } = world.seen;
    await with_page(world, `${kConsole}/models/${model.name}`, async (page) => {
      for (const version of model.versions) {
        const row = page.getByTestId(`version-${version.version}`);
        const stage = version.stage === "None" ? "Candidate" : version.stage;
        await says(row.getByTestId("stage"), stage, `stage of v${version.version}`);
        const checks = version.gate?.checks ?? [];
        const passed = checks.filter((c) => c.passed).length;
        const gate = version.gate
          ? `${version.gate.passed ? "passed" : "failed"} ${passed}/${checks.length}`
          : "not run";
        await says(row.getByTestId("gate"), gate, `gate of v${version.version}`);
      }
      const judged = model.versions.find((v) => v.gate?.checks.length > 0);
      await page.goto(`${world.url}${kConsole}/models/${model.name}?v=${judged.version}`);
      const detail = page.getByTestId("version-detail");
      const check = judged.gate.checks[0];
      await says(
        detail.getByTestId(`check-${check.name}`).getByTestId("value"),
        decimal(check.value),
        check.name,
      );
    });
  },

  async approvals_show_what_the_cli_lists(world) {
    const { requests } = world.seen;
    holds(requests.length > 0, "somebody has asked");
    await with_page(world, `${kConsole}/approvals`, async (page) => {
      const { waiting } = world.seen;
      holds(waiting.length > 0, "something waits");
      for (const r of waiting) await page.getByTestId(`request-${r.model}-${r.version}`).waitFor();
      equal(
        await page.locator('[data-testid^="request-"]').count(),
        waiting.length,
        "requests that wait",
      );
      await page.getByText("All", { exact: true }).click();
      await page.waitForURL(/whose=all/);
      for (const r of requests) {
        const row = page.getByTestId(`request-${r.model}-${r.version}`);
        await says(row.getByTestId("state"), r.state, `state of the request for v${r.version}`);
        const count = r.approvals_needed
          ? `${r.approvals_count} of ${r.approvals_needed}`
          : String(r.approvals_count);
        await says(row.getByTestId("approvals"), count, `approvals of v${r.version}`);
      }
      await page.getByLabel("State").selectOption("rejected");
      await page.waitForURL(/state=rejected/);
      await page.reload();
      await page.getByText("Nobody has asked for anything").waitFor();
    });
  },

  async overview_names_what_the_inbox_holds(world) {
    await with_page(world, kConsole, async (page) => {
      for (const r of world.seen.waiting) {
        const todo = page.getByTestId("todo").filter({ hasText: `${r.requester} asks` });
        holds((await text_of(todo)).includes(r.model), `${r.model} waits`);
      }
    });
  },

  async buttons_say_what_the_server_says(world) {
    const { explained } = world.seen;
    await with_page(
      world,
      `${kConsole}/models/${explained.model}?v=${explained.version}`,
      async (page) => {
        const names = {
          request: "Ask for production",
          approve: "Approve",
          reject: "Reject",
          cancel: "Take back",
          promote: "Promote to production",
        };
        for (const action of explained.actions.filter((a) => a.action in names)) {
          const button = page
            .getByTestId("actions")
            .getByRole("button", { name: names[action.action], exact: true });
          await button.waitFor();
          equal(await button.isEnabled(), action.allowed, `${action.action} is open`);
          if (action.allowed) continue;
          equal(await button.getAttribute("data-reason"), action.reason, action.action);
          const why = page.getByTestId(`why-not-${action.action}`).first();
          holds((await text_of(why)).startsWith(action.detail), `why not ${action.action}`);
        }
        const rollback = page.getByRole("button", { name: "Roll back" });
        equal(await rollback.getAttribute("data-reason"), "model_version.no_previous", "rollback");
      },
    );
  },

  async gate_evidence_is_what_the_cli_explains(world) {
    const { explained } = world.seen;
    await with_page(
      world,
      `${kConsole}/models/${explained.model}?v=${explained.version}`,
      async (page, opened) => {
        holds(explained.checks.length === 3, "three checks");
        for (const check of explained.checks) {
          const row = page.getByTestId(`evidence-${check.name}`);
          const said = await text_of(row);
          holds(said.includes(decimal(check.value)), `value of ${check.name}`);
          for (const file of check.files ?? [])
            holds(said.includes(file.digest.slice(7, 19)), `digest of the ${file.role}`);
          if (check.waiver) holds(said.includes(check.waiver.reason), `waiver of ${check.name}`);
          for (const slice of check.slices ?? []) {
            const cells = await text_of(row.getByTestId(`slice-${slice.slice}`));
            holds(cells.includes(decimal(slice.value)), `value of ${slice.slice}`);
            holds(cells.includes(integer(slice.n)), `rows of ${slice.slice}`);
          }
          await says(
            row.getByTestId(`signature-${check.name}`).locator("span").first(),
            "signature verified",
            `signature of ${check.name}`,
          );
        }
        const saved = opened.page.waitForEvent("download");
        await page
          .getByTestId(`signature-${explained.checks[0].name}`)
          .getByRole("button", { name: "DSSE" })
          .click();
        equal((await saved).suggestedFilename(), "floor-accuracy.dsse.json", "name of the envelope");
      },
    );
  },

  async the_timeline_tells_what_was_then(world) {
    const { explained, timeline, then, then_ms } = world.seen;
    const at = `${kConsole}/models/${explained.model}`;
    const row = (s) => `held-${s.kind === "policy" ? "policy-" : ""}${s.target}`;
    await with_page(world, at, async (page) => {
      await page.getByTestId("lanes").getByRole("img").waitFor();
      const rows = page.locator('[data-testid^="held-"]');
      await rows.first().waitFor();
      equal(await rows.count(), timeline.length, "stretches of time");
      await page.goto(`${world.url}${at}?at=${then_ms}`);
      for (const span of then) {
        const held = page.getByTestId(row(span));
        await held.waitFor();
        if (span.version) holds((await text_of(held)).includes(`v${span.version}`), span.target);
      }
      equal(await rows.count(), then.length, "what held something then");
      await page.getByLabel("As of").fill("2020-01-01T00:00:00");
      await page.getByText("Nothing held anything then").waitFor();
      await page.getByRole("button", { name: "All of it" }).click();
      await page.waitForURL((url) => !url.search.includes("at="));
      equal(await rows.count(), timeline.length, "all of it again");
    });
  },

  async deployment_shows_the_live_split(world) {
    const { deployment } = world.seen;
    await with_page(world, `${kConsole}/deployments/${deployment.name}`, async (page) => {
      for (const arm of deployment.arms) {
        const row = page.getByTestId(`arm-${arm.role}`);
        await says(row.getByTestId("version"), `v${arm.version}`, `version of the ${arm.role} arm`);
        await says(row.getByTestId("weight"), percent(arm.weight), `weight of the ${arm.role} arm`);
        await says(
          row.getByTestId("requests"),
          integer(arm.requests),
          `requests of the ${arm.role} arm`,
        );
        await says(row.getByTestId("errors"), integer(arm.errors), `errors of the ${arm.role} arm`);
      }
      const { canary } = deployment;
      if (canary) {
        await says(
          page.getByTestId("canary-state"),
          canary.state.replaceAll("_", " "),
          "state of the canary",
        );
        if (canary.verdict)
          await says(page.getByTestId("verdict-n"), integer(canary.verdict.n), "n of the verdict");
      }
    });
  },

  async drift_is_what_the_cli_says(world) {
    const { deployment } = world.seen;
    const drift = world.seen.drift.filter((w) => w.closed !== false);
    const at = `${kConsole}/deployments/${deployment.name}`;
    await with_page(world, at, async (page) => {
      const last = drift.at(-1);
      for (const feature of last.features) {
        const chart = page.getByTestId(`drift-${feature.name}`);
        await says(chart.getByTestId("latest"), decimal(feature.psi), `PSI of ${feature.name}`);
        holds((await chart.getByRole("img").count()) === 1, `${feature.name} has a named picture`);
      }
      const confidence = page.getByTestId("confidence").getByTestId("latest");
      await says(confidence, decimal(last.confidence_mean), "mean confidence");
      const alarms = drift.filter((w) => w.alarm).length;
      if (alarms > 0) {
        const badge = `${alarms} ${alarms === 1 ? "window" : "windows"} in alarm`;
        await says(page.getByTestId("drift-alarms"), badge, "windows in alarm");
      }
      // Measure and view are part of the address, and survive a reload.
      const feature = last.features[0];
      await page.getByText("JS", { exact: true }).click();
      await page.getByLabel("Tables").check({ force: true });
      await page.waitForURL(/measure=js/);
      await page.waitForURL(/view=table/);
      await page.reload();
      const table = page.getByTestId("drift-table");
      const cell = table.locator("tbody tr").last().getByTestId(`cell-${feature.name}`);
      await says(cell, decimal(feature.js), `JS of ${feature.name} in the last row`);
      equal(await table.locator("tbody tr").count(), drift.length, "rows of the table");
    });
  },

  async accuracy_is_what_the_cli_says(world) {
    const { deployment, performance } = world.seen;
    await with_page(world, `${kConsole}/deployments/${deployment.name}`, async (page) => {
      for (const [version, score] of Object.entries(performance.overall.by_version ?? {})) {
        const row = page.getByTestId(`accuracy-v${version}`);
        await says(row.getByTestId("n"), integer(score.n), `labels of v${version}`);
        await says(row.getByTestId("accuracy"), decimal(score.accuracy), `accuracy of v${version}`);
      }
      const all = page.getByTestId("accuracy-overall");
      await says(all.getByTestId("accuracy"), decimal(performance.overall.accuracy), "accuracy");
    });
  },

  async an_alert_leads_to_its_event(world) {
    const { deployment, alerts } = world.seen;
    await with_page(world, `${kConsole}/deployments/${deployment.name}`, async (page) => {
      await page.getByTestId("alert").first().waitFor();
      equal(await page.getByTestId("alert").count(), alerts.length, "alerts");
      const newest = [...alerts].sort((a, b) => b.fired_us - a.fired_us)[0];
      const name = newest.event_seq ? `event ${newest.event_seq}` : "events";
      await page.getByTestId("alert").first().getByRole("link", { name }).click();
      await page.waitForURL(newest.event_seq ? /ledger\?seq=/ : /ledger\?verb=alert.fired/);
      const event = newest.event_seq
        ? page.getByTestId("event-detail")
        : page.getByText("alert.fired").first();
      await event.waitFor();
      await page.goBack();
      await page.getByTestId("alert").first().waitFor();
    });
  },

  async ledger_filters_and_pages_by_key(world) {
    const { ledger } = world.seen;
    await with_page(world, `${kConsole}/ledger`, async (page) => {
      const newest = ledger[0];
      await page.getByTestId(`event-${newest.seq}`).waitFor();
      const verb = ledger.at(-1).verb;
      const same = ledger.filter((e) => e.verb === verb).slice(0, 50);
      await page.getByLabel("Verb").fill(verb);
      await page.getByRole("button", { name: "Filter" }).click();
      await page.waitForURL(/verb=/);
      await page.getByTestId(`event-${same[0].seq}`).waitFor();
      equal(
        await page.locator('[data-testid^="event-"]').count(),
        same.length,
        `events of ${verb}`,
      );
      await page.getByRole("button", { name: `Event ${same[0].seq}` }).click();
      holds(
        (await text_of(page.getByTestId("event-detail"))).includes(same[0].id),
        "the event's id",
      );
      await page.goto(`${world.url}${kConsole}/ledger`);
      if (ledger.length > 50) {
        await page.getByRole("button", { name: "Older" }).click();
        await page.waitForURL(/before=/);
        await page.getByTestId(`event-${ledger[50].seq}`).waitFor();
      }
    });
  },

  async datasets_show_versions_and_schema(world) {
    const { dataset } = world.seen;
    await with_page(world, `${kConsole}/datasets`, async (page) => {
      const listed = page.getByTestId(`dataset-${dataset.name}`);
      const told = world.seen.datasets.find((d) => d.name === dataset.name);
      await says(listed.getByTestId("rows"), integer(told.rows), `rows of ${dataset.name}`);
      await listed.getByRole("link").click();
      for (const version of dataset.versions) {
        const row = page.getByTestId(`version-${version.version}`);
        await says(row.getByTestId("rows"), integer(version.rows), `rows of v${version.version}`);
      }
      const newest = dataset.versions.reduce((a, b) => (b.version > a.version ? b : a));
      const table = page.getByRole("region", { name: "Schema" });
      equal(await table.locator("tbody tr").count(), newest.schema.length, "columns");
    });
  },

  async theme_is_kept(world) {
    await with_page(world, `${kConsole}/models`, async (page) => {
      const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      await page.getByRole("heading", { name: "Models" }).waitFor();
      const light = await paper();
      await page.getByLabel("Dark").first().check({ force: true });
      const dark = await paper();
      holds(light !== dark, `dark differs from light (${light}, ${dark})`);
      await page.reload();
      equal(await paper(), dark, "theme after a reload");
    });
  },

  async keys_alone_reach_every_page(world) {
    await with_page(world, kConsole, async (page) => {
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      for (const [key, title] of [
        ["m", "Models"],
        ["a", "Approvals"],
        ["d", "Deployments"],
        ["t", "Datasets"],
        ["l", "Ledger"],
        ["o", "Overview"],
      ]) {
        await page.keyboard.press("g");
        await page.keyboard.press(key);
        await page.getByRole("heading", { level: 1, name: title }).waitFor();
      }
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    });
  },

  async one_stream_for_all_tabs_and_changes_appear(world) {
    const opened = await open_page(world.browser, world.url);
    try {
      const streams = [];
      opened.context.on("request", (r) => {
        if (r.url().endsWith("/events")) streams.push(r.url());
      });
      await opened.page.goto(`${world.url}${kConsole}/datasets`);
      const second = await opened.context.newPage();
      watch(second, world.url, opened.complaints);
      await second.goto(`${world.url}${kConsole}/datasets`);
      await says(opened.page.getByTestId("live"), "Live", "first tab");
      await says(second.getByTestId("live"), "Live", "second tab");
      const answer = await fetch(
        `${world.url}/api/slipway/v1/datasets/arrived/versions?format=csv`,
        {
          method: "POST",
          body: "a,b\n1,2\n",
        },
      );
      equal(answer.status < 300, true, `commit of a dataset (${answer.status})`);
      for (const page of [opened.page, second]) await page.getByTestId("dataset-arrived").waitFor();
      equal(streams.length, 1, "event streams");
      equal(opened.complaints.join("\n"), "", "complaints");
    } finally {
      await opened.context.close();
    }
  },

  async approve_promote_roll_back_by_keys(world) {
    const { candidate, token } = world.seen;
    const name = candidate.model;
    await with_page(world, `${kConsole}/models/${name}?v=${candidate.version}`, async (page) => {
      const row = page.getByTestId(`version-${candidate.version}`);
      await says(row.getByTestId("stage"), "Candidate", "stage at first");
      const promote = page.getByRole("button", { name: "Promote to production" });
      holds(await promote.isDisabled(), "unapproved work can't be promoted");
      holds(
        await page.getByRole("button", { name: "Approve" }).isDisabled(),
        "nobody approves their own work",
      );

      // The second person signs in, and approves.
      await tab_to(page, "button", candidate.created_by);
      await page.keyboard.press("Enter");
      await page.getByLabel("Token").waitFor();
      await tab_to(page, "textbox", "Token");
      await page.keyboard.type(token);
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await tab_to(page, "button", "Approve");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await tab_to(page, "textbox", "Comment (optional)");
      await page.keyboard.type("read in the console");
      await tab_to(page, "button", "Approve");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await page.getByText("read in the console").first().waitFor();

      await tab_to(page, "button", "Promote to production");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await tab_to(page, "textbox", `Type ${name} to confirm`);
      await page.keyboard.type(name);
      await page.keyboard.press("Enter");
      await says(
        page.getByTestId("live-version"),
        `v${candidate.version} in production`,
        "after the promotion",
      );

      await tab_to(page, "button", `Roll back to v${candidate.back_to}`);
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await tab_to(page, "textbox", "Reason");
      await page.keyboard.type("a journey");
      await tab_to(page, "textbox", `Type ${name} to confirm`);
      await page.keyboard.type(name);
      await page.keyboard.press("Enter");
      await says(
        page.getByTestId("live-version"),
        `v${candidate.back_to} in production`,
        "after the rollback",
      );
      await page.getByText("a journey").first().waitFor();
    });
  },

  async a_lost_stream_is_said_and_found_again(world) {
    const opened = await open_page(world.browser, world.url);
    try {
      const { page } = opened;
      await page.route("**/events", (route) => route.abort());
      await page.goto(`${world.url}${kConsole}/models`);
      await page.getByText("The server doesn't answer").waitFor();
      await says(page.getByTestId("live"), "Offline", "while the stream is refused");
      await page.unroute("**/events");
      await says(page.getByTestId("live"), "Live", "afterwards");
      equal(await page.getByText("The server doesn't answer").count(), 0, "banners");
    } finally {
      await opened.context.close();
    }
  },

  async a_wrong_address_says_so(world) {
    const opened = await open_page(world.browser, world.url);
    try {
      await opened.page.goto(`${world.url}${kConsole}/models/no-such-model`);
      await opened.page.getByRole("alert").waitFor();
      await opened.page.goto(`${world.url}${kConsole}/nowhere`);
      await opened.page
        .getByRole("heading", { name: "There is nothing at this address" })
        .waitFor();
    } finally {
      await opened.context.close();
    }
  },

  async files_are_cached_and_compressed(world) {
    const page = await (await fetch(world.url, { headers: { accept: "text/html" } })).text();
    const script = /src="\.\/(assets\/index-[^"]+\.js)"/.exec(page)?.[1];
    holds(script, "the page names its script");
    const first = await fetch(`${world.url}/${script}`, { headers: { "accept-encoding": "br" } });
    holds(
      first.headers.get("cache-control").includes("immutable"),
      "hashed names are kept forever",
    );
    equal(first.headers.get("content-encoding"), "br", "coding");
    const again = await fetch(`${world.url}/${script}`, {
      headers: { "accept-encoding": "br", "if-none-match": first.headers.get("etag") },
    });
    equal(again.status, 304, "asked again with its tag");
    const policy = (await fetch(world.url, { headers: { accept: "text/html" } })).headers.get(
      "content-security-policy",
    );
    holds(policy.includes("default-src 'self'") && !policy.includes("unsafe"), `policy ${policy}`);
  },
};
