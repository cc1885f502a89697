import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { Fragment, useState } from "react";
import { call } from "../api/client";
import { kLedgerPage, ledger_query } from "../api/queries";
import type { LedgerEvent, Page } from "../api/types";
import { integer, timestamp } from "../lib/format";
import { Icon } from "../ui/icons";
import { Button, Copy, Empty, Facts, Failure, PageHead, Panel, Scroll, Waiting } from "../ui/kit";
import { Subject, Verb } from "../ui/ledger_row";

function Detail({ event }: { event: LedgerEvent }) {
  const digest = (value: string | undefined) =>
    value ? (
      <Copy text={value} label="digest">
        <span className="break-all text-left">{value}</span>
      </Copy>
    ) : (
      "–"
    );
  return (
    <div
      className="grid grid-cols-1 gap-x-8 gap-y-4 bg-sunken px-4 py-4 lg:grid-cols-2"
      data-testid="event-detail"
    >
      <Facts
        rows={[
          [
            "Event",
            <Copy key="i" text={event.id} label="event id">
              {event.id}
            </Copy>,
          ],
          ["Subject", <span key="s" className="break-all">{`${event.kind} ${event.uid}`}</span>],
          ["Actor", `${event.actor}${event.actor_kind ? ` (${event.actor_kind})` : ""}`],
          ["Decision", event.decision || "–"],
          ...(event.reason ? ([["Reason", event.reason]] as [string, string][]) : []),
          ["Object", digest(event.object_digest)],
          ["Before", digest(event.before_digest)],
          ["After", digest(event.after_digest)],
          [
            "Request",
            event.request_id ? (
              <Copy key="r" text={event.request_id} label="request id">
                {event.request_id}
              </Copy>
            ) : (
              "–"
            ),
          ],
        ]}
      />
      <div className="min-w-0">
        <div className="label mb-1">Body</div>
        {event.body === undefined || event.body === null ? (
          <p className="text-ink-2 text-sm">No body was kept.</p>
        ) : (
          <pre
            tabIndex={0}
            className="max-h-72 overflow-auto rounded-lg border border-line bg-panel p-3 font-mono text-xs leading-5"
          >
            {JSON.stringify(event.body, null, 2)}
          </pre>
        )}
      </div>
    </div>
  );
}

function Filters({ verbs }: { verbs: string[] }) {
  const search = useSearch({ from: "/p/$project/ledger" });
  const navigate = useNavigate({ from: "/p/$project/ledger" });
  const [verb, set_verb] = useState(search.verb ?? "");
  const [uid, set_uid] = useState(search.uid ?? "");
  const apply = (next: { verb: string; uid: string }) =>
    void navigate({
      search: { verb: next.verb.trim() || undefined, uid: next.uid.trim() || undefined },
    });
  const field =
    "h-8 rounded-lg border border-line-strong bg-panel px-2.5 text-xs placeholder:text-ink-3";
  return (
    <form
      aria-label="Filter events"
      className="flex flex-wrap items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        apply({ verb, uid });
      }}
    >
      <label>
        <span className="sr-only">Verb</span>
        <input
          data-filter
          list="ledger-verbs"
          placeholder="Verb"
          className={`${field} w-56`}
          value={verb}
          onChange={(event) => set_verb(event.target.value)}
        />
      </label>
      <datalist id="ledger-verbs">
        {verbs.map((known) => (
          <option key={known} value={known} />
        ))}
      </datalist>
      <label>
        <span className="sr-only">Subject uid</span>
        <input
          placeholder="Subject uid"
          className={`${field} w-72 max-w-full`}
          value={uid}
          onChange={(event) => set_uid(event.target.value)}
        />
      </label>
      <Button type="submit">Filter</Button>
      {(search.verb || search.uid || search.before) && (
        <Button
          look="quiet"
          onClick={() => {
            set_verb("");
            set_uid("");
            apply({ verb: "", uid: "" });
          }}
        >
          Clear
        </Button>
      )}
    </form>
  );
}

/** An event that a link names but this page of the list doesn't hold. */
function useLinked(
  project: string,
  seq: number | undefined,
  items: readonly LedgerEvent[] | undefined,
) {
  const missing = seq !== undefined && items !== undefined && !items.some((e) => e.seq === seq);
  const query = useQuery({
    queryKey: [project, "ledger", "one", seq],
    enabled: missing,
    queryFn: async ({ signal }) => {
      const page = await call<Page<LedgerEvent>>(
        project,
        `/ledger?after=${(seq ?? 1) - 1}&limit=1`,
        { signal },
      );
      return page.items.find((e) => e.seq === seq) ?? null;
    },
  });
  return missing ? query.data : null;
}

function Rows({
  items,
  open,
  label = "Events",
}: {
  items: readonly LedgerEvent[];
  open: number | undefined;
  label?: string;
}) {
  const navigate = useNavigate({ from: "/p/$project/ledger" });
  const toggle = (seq: number) =>
    void navigate({
      search: (old) => ({ ...old, seq: old.seq === seq ? undefined : seq }),
      replace: true,
      resetScroll: false,
    });
  return (
    <Scroll label={label}>
      <table className="grid-table">
        <thead>
          <tr>
            <th scope="col" className="w-8">
              <span className="sr-only">Detail</span>
            </th>
            <th scope="col" className="num">
              Seq
            </th>
            <th scope="col">Time</th>
            <th scope="col">What happened</th>
            <th scope="col">To</th>
            <th scope="col">By</th>
            <th scope="col">Decision</th>
          </tr>
        </thead>
        <tbody>
          {items.map((event) => (
            <Fragment key={event.seq}>
              <tr data-row data-selected={event.seq === open} data-testid={`event-${event.seq}`}>
                <td>
                  <button
                    type="button"
                    aria-expanded={event.seq === open}
                    aria-label={`Event ${event.seq}`}
                    onClick={() => toggle(event.seq)}
                    className="flex size-6 items-center justify-center rounded text-ink-3 hover:bg-sunken hover:text-ink"
                  >
                    <Icon name={event.seq === open ? "down" : "right"} size={12} />
                  </button>
                </td>
                <td className="num text-ink-2">{event.seq}</td>
                <td className="whitespace-nowrap text-ink-2">{timestamp(event.ts_us / 1_000)}</td>
                <td>
                  <Verb event={event} />
                </td>
                <td>
                  <Subject event={event} />
                  <span className="ml-2 text-ink-3 text-xs">{event.kind.replaceAll("_", " ")}</span>
                </td>
                <td>{event.actor}</td>
                <td className="text-ink-2">{event.decision || "–"}</td>
              </tr>
              {event.seq === open && (
                <tr>
                  <td colSpan={7} className="!p-0">
                    <Detail event={event} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

export function Ledger() {
  const { project } = useParams({ from: "/p/$project/ledger" });
  const search = useSearch({ from: "/p/$project/ledger" });
  const navigate = useNavigate({ from: "/p/$project/ledger" });
  const ledger = useQuery(
    ledger_query(project, { verb: search.verb, uid: search.uid, before: search.before }),
  );
  const items = ledger.data?.items ?? [];
  const linked = useLinked(project, search.seq, ledger.data?.items);
  const verbs = [...new Set(items.map((e) => e.verb))].sort();
  const last = items.at(-1);
  const full = items.length >= kLedgerPage;
  return (
    <>
      <PageHead
        title="Ledger"
        sub="Every change, in commit order, written in the same transaction as the change itself."
        actions={<Filters key={`${search.verb}|${search.uid}`} verbs={verbs} />}
      />
      {ledger.error && <Failure error={ledger.error} retry={() => void ledger.refetch()} />}
      {linked && (
        <Panel title={`Event ${linked.seq}`} flush className="mb-5">
          <Rows items={[linked]} open={linked.seq} label="Linked event" />
        </Panel>
      )}
      <Panel flush>
        {ledger.isPending && <Waiting rows={10} />}
        {ledger.data && items.length === 0 && (
          <Empty
            title={search.verb || search.uid ? "No event matches" : "Nothing has happened yet"}
          />
        )}
        {items.length > 0 && <Rows items={items} open={search.seq} />}
        {items.length > 0 && (
          <div className="flex items-center justify-between border-line border-t px-4 py-2 text-ink-2 text-xs">
            <span>
              {integer(items[0]?.seq)} – {integer(last?.seq)}
            </span>
            <span className="flex gap-2">
              {search.before !== undefined && (
                <Button
                  look="quiet"
                  icon="left"
                  onClick={() =>
                    void navigate({
                      search: (old) => ({ ...old, before: undefined, seq: undefined }),
                    })
                  }
                >
                  Newest
                </Button>
              )}
              <Button
                disabled={!full}
                onClick={() =>
                  void navigate({
                    search: (old) => ({ ...old, before: last?.seq, seq: undefined }),
                  })
                }
              >
                Older
                <Icon name="right" size={12} />
              </Button>
            </span>
          </div>
        )}
      </Panel>
    </>
  );
}
