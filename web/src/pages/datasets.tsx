import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api_url } from "../api/client";
import { datasets_query } from "../api/queries";
import { useProject } from "../app/project";
import { bytes, integer, short_digest } from "../lib/format";
import { Ago, Badge, Empty, Failure, PageHead, Panel, Scroll, Waiting } from "../ui/kit";

export function Datasets() {
  const project = useProject();
  const datasets = useQuery(datasets_query(project));
  return (
    <>
      <PageHead
        title="Datasets"
        sub="Immutable versions of what models learn from, addressed by content."
      />
      {datasets.error && <Failure error={datasets.error} retry={() => void datasets.refetch()} />}
      {datasets.isPending && (
        <Panel flush>
          <Waiting />
        </Panel>
      )}
      {datasets.data?.length === 0 && (
        <Panel>
          <Empty
            title="No datasets yet"
            code={`curl -X POST --data-binary @orders.parquet \\\n  '${new URL(api_url(project, "/datasets/orders/versions?format=parquet"), location.href)}'`}
          >
            Commit a Parquet, CSV or JSONL file; the same bytes again give the same version.
          </Empty>
        </Panel>
      )}
      {datasets.data && datasets.data.length > 0 && (
        <Panel flush>
          <Scroll label="Datasets">
            <table className="grid-table">
              <thead>
                <tr>
                  <th scope="col">Dataset</th>
                  <th scope="col">Latest</th>
                  <th scope="col">Format</th>
                  <th scope="col" className="num">
                    Rows
                  </th>
                  <th scope="col" className="num">
                    Size
                  </th>
                  <th scope="col">Digest</th>
                  <th scope="col" className="num">
                    Committed
                  </th>
                </tr>
              </thead>
              <tbody>
                {datasets.data.map((d) => (
                  <tr key={d.name} data-row data-testid={`dataset-${d.name}`}>
                    <td className="font-medium">
                      <Link
                        to="/p/$project/datasets/$name"
                        params={{ project, name: d.name }}
                        className="link"
                      >
                        {d.name}
                      </Link>
                    </td>
                    <td>v{d.latest_version ?? d.version ?? "–"}</td>
                    <td>{d.format ? <Badge>{d.format}</Badge> : "–"}</td>
                    <td className="num">{integer(d.rows)}</td>
                    <td className="num">{bytes(d.bytes)}</td>
                    <td className="font-mono text-ink-2 text-xs">{short_digest(d.digest)}</td>
                    <td className="num text-ink-2">
                      {d.created_ms ? <Ago ms={d.created_ms} /> : "–"}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </Panel>
      )}
    </>
  );
}
