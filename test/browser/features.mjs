// Journeys over features: what the CLI and Feast's reading printed is what the console shows.
import { equal, holds, integer, open_page, says, text_of } from "./kit.mjs";

const kConsole = "/p/default";

async function with_page(world, path, run) {
  const opened = await open_page(world.browser, world.url);
  try {
    await opened.page.goto(world.url + path);
    await run(opened.page);
    equal(opened.complaints.join("\n"), "", "complaints");
  } finally {
    await opened.context.close();
  }
}

export const feature_pages = {
  features: `${kConsole}/features`,
  feature: `${kConsole}/features/spend`,
};

export const feature_journeys = {
  async features_are_listed_with_their_freshness(world) {
    const { views } = world.seen.features;
    await with_page(world, `${kConsole}/features`, async (page) => {
      for (const view of views) {
        const row = page.getByTestId(`view-${view.name}`);
        holds((await text_of(row)).includes("fraud"), `${view.name} is read by the service`);
        holds((await text_of(row.getByTestId("fresh"))).includes("of 1"), `${view.name}: its SLA`);
      }
    });
  },

  async a_feature_is_read_now_and_as_of_a_moment(world) {
    const { customer, served, before } = world.seen.features;
    await with_page(world, `${kConsole}/features/last_payment`, async (page) => {
      await page.getByLabel(/customer/).fill("x");
      await page.getByRole("button", { name: "Read" }).click();
      holds((await text_of(page.getByRole("alert"))).includes("int64"), "a text is no key");
      await page.getByLabel(/customer/).fill(String(customer));
      await page.getByRole("button", { name: "Read" }).click();
      const values = page.getByTestId("values");
      await says(values.locator("tbody tr").nth(0).locator("td").nth(1), String(served.amount), "now");
      await page.getByLabel(/as of/).fill(before);
      await page.getByRole("button", { name: "Read" }).click();
      await says(values.locator("tbody tr").nth(0).locator("td").nth(1), "–", "before the first row");
    });
  },

  async what_was_served_is_replayed(world) {
    await with_page(world, `${kConsole}/features/spend`, async (page) => {
      const row = page.getByTestId("reader-fraud");
      await row.getByRole("button", { name: "Replay the last hour" }).click();
      await row.getByText(/values equal, 0 broken/).waitFor();
      holds((await text_of(row)).includes(`of ${integer(25)} values`), "five vectors of five");
    });
  },
};
