// How often a run was made again, and what came out the same.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Reproduction, reproductions_query } from "../api/releases";
import { useProject } from "../app/project";
import { decimal, short_digest, timestamp, words } from "../lib/format";
import { Badge, Button, Copy, Empty, Failure, Panel, Scroll, Waiting } from "./kit";

function Same({ same }: { same: boolean }) {
  return (
    <Badge tone={same ? "good" : "bad"} icon={same ? "check" : "cross"}>
      {same ? "same" : "different"}
    </Badge>
  );
}

interface Pair {
  key: string;
  was: string;
  now: string;
  same: boolean;
}

function Pairs({ label, rows }: { label: string; rows: Pair[] }) {
  if (rows.length === 0) return null;
  return (
    <Scroll label={label}>
      <table className="grid-table">
        <thead>
          <tr>
            <th scope="col">{label}</th>
            <th scope="col">Was</th>
            <th scope="col">Now</th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={r.key}>
              <td>{r.key}</td>
              <td className="font-mono text-xs">{r.was || "–"}</td>
              <td className="font-mono text-xs">{r.now || "–"}</td>
              <td>
                <Same same={r.same} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function One({ of }: { of: Reproduction }) {
  return (
    <Panel
      title={
        <span className="flex flex-wrap items-center gap-2">
          {timestamp(of.created_ms)}
          <Badge tone={of.verdict === "different" ? "bad" : "good"} data-testid="verdict">
            {words(of.verdict)}
          </Badge>
        </span>
      }
      note={`by ${of.actor}`}
      flush
    >
      <p className="flex flex-wrap items-center gap-2 px-4 py-2 text-ink-2 text-sm">
        made again as
        <Copy text={of.again_run_id} label="run id">
          {of.again_run_id.slice(0, 12)}
        </Copy>
        {!of.same_status && <span>which ended in another status</span>}
        {of.environment && <span>environment: {of.environment}</span>}
      </p>
      <Pairs
        label="Output"
        rows={of.outputs.map((o) => ({
          key: o.path,
          was: short_digest(o.was),
          now: short_digest(o.now),
          same: o.same,
        }))}
      />
      <Pairs
        label="Metric"
        rows={of.metrics.map((m) => ({
          key: m.key,
          was: decimal(m.was, 6),
          now: decimal(m.now, 6),
          same: m.same,
        }))}
      />
    </Panel>
  );
}

export function Reproductions({ run_id }: { run_id: string }) {
  const project = useProject();
  const [after, set_after] = useState("");
  const page = useQuery(reproductions_query(project, run_id, after));
  if (page.error) return <Failure error={page.error} retry={() => void page.refetch()} />;
  if (!page.data) return <Waiting rows={4} />;
  const next = page.data.next_page_token;
  if (page.data.items.length === 0) return <Empty title="Nobody has made this run again" />;
  return (
    <div className="flex flex-col gap-5" data-testid="reproductions">
      {page.data.items.map((r) => (
        <One key={r.uid} of={r} />
      ))}
      {next && <Button onClick={() => set_after(next)}>Next page</Button>}
    </div>
  );
}
