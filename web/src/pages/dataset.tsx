import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { api_url } from "../api/client";
import { dataset_versions_query } from "../api/queries";
import type { DatasetVersion } from "../api/types";
import { bytes, integer, plural, short_digest, timestamp } from "../lib/format";
import { schema_changes } from "../lib/schema";
import { Icon } from "../ui/icons";
import {
  Ago,
  ApiLinks,
  Badge,
  Copy,
  Empty,
  Facts,
  Failure,
  PageHead,
  Panel,
  Scroll,
  Waiting,
} from "../ui/kit";

function Schema({
  version,
  parent,
}: {
  version: DatasetVersion;
  parent: DatasetVersion | undefined;
}) {
  const rows = schema_changes(parent?.schema, version.schema);
  return (
    <Panel title="Schema" note={plural(version.schema.length, "column")} flush>
      <Scroll label="Schema">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">Column</th>
              <th scope="col">Type</th>
              <th scope="col">Nulls</th>
              {parent && <th scope="col">Since v{parent.version}</th>}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr
                key={row.name}
                className={row.change === "removed" ? "text-ink-3 line-through" : ""}
              >
                <td className="font-medium">{row.name}</td>
                <td className="font-mono text-xs">{row.type}</td>
                <td>{row.nullable ? "allowed" : "never"}</td>
                {parent && (
                  <td>
                    {row.change === "same" ? (
                      <span className="text-ink-3">same</span>
                    ) : (
                      <Badge
                        tone={
                          row.change === "added"
                            ? "good"
                            : row.change === "removed"
                              ? "bad"
                              : "warn"
                        }
                      >
                        {row.change}
                      </Badge>
                    )}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

export function Dataset() {
  const { project, name } = useParams({ from: "/p/$project/datasets/$name" });
  const { v } = useSearch({ from: "/p/$project/datasets/$name" });
  const query = useQuery(dataset_versions_query(project, name));
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Waiting rows={8} />;
  const versions = [...query.data].sort((a, b) => b.version - a.version);
  const selected = versions.find((x) => x.version === v) ?? versions[0];
  const parent = versions.find((x) => x.version === selected?.parent_version);
  return (
    <>
      <PageHead
        eyebrow={
          <Link to="/p/$project/datasets" params={{ project }} className="hover:text-ink">
            Datasets
          </Link>
        }
        title={name}
        badges={
          <>
            <Copy
              text={`dataset:${name}${selected ? `@${selected.version}` : ""}`}
              label="reference"
            >
              dataset:{name}
              {selected && `@${selected.version}`}
            </Copy>
            <ApiLinks url={api_url(project, `/datasets/${encodeURIComponent(name)}`)} />
          </>
        }
        actions={
          selected && (
            <a
              href={api_url(
                project,
                `/datasets/${encodeURIComponent(name)}/versions/${selected.version}/content`,
              )}
              download={`${name}-v${selected.version}.${selected.format}`}
              className="inline-flex h-8 items-center gap-1.5 rounded-lg bg-panel px-2.5 font-medium text-ink text-xs ring-1 ring-line-strong ring-inset hover:bg-sunken"
            >
              <Icon name="download" size={14} />
              Download v{selected.version}
            </a>
          )
        }
      />
      {!selected ? (
        <Panel>
          <Empty title="No versions" />
        </Panel>
      ) : (
        <div className="grid grid-cols-1 gap-5 xl:grid-cols-[minmax(0,1fr)_25rem]">
          <div className="flex min-w-0 flex-col gap-5">
            <Panel title="Versions" note={plural(versions.length, "version")} flush>
              <Scroll label="Versions">
                <table className="grid-table">
                  <thead>
                    <tr>
                      <th scope="col">Version</th>
                      <th scope="col">Message</th>
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
                    {versions.map((d) => (
                      <tr
                        key={d.version}
                        data-row
                        data-selected={d.version === selected.version}
                        data-testid={`version-${d.version}`}
                      >
                        <td>
                          <Link
                            to="/p/$project/datasets/$name"
                            params={{ project, name }}
                            search={{ v: d.version }}
                            aria-current={d.version === selected.version ? "true" : undefined}
                            className="link font-medium"
                          >
                            v{d.version}
                          </Link>
                        </td>
                        <td className="text-ink-2">{d.message || "–"}</td>
                        <td className="num" data-testid="rows">
                          {integer(d.rows)}
                        </td>
                        <td className="num">{bytes(d.bytes)}</td>
                        <td className="font-mono text-ink-2 text-xs">{short_digest(d.digest)}</td>
                        <td className="num text-ink-2">
                          <Ago ms={d.created_ms} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </Scroll>
            </Panel>
            <Schema version={selected} parent={parent} />
          </div>
          <Panel title={`v${selected.version}`} className="xl:sticky xl:top-6 xl:self-start">
            <Facts
              rows={[
                ["Rows", integer(selected.rows)],
                ["Size", bytes(selected.bytes)],
                ["Format", selected.format],
                ["Parent", selected.parent_version ? `v${selected.parent_version}` : "none"],
                ["Committed", `${timestamp(selected.created_ms)} by ${selected.created_by}`],
                [
                  "Digest",
                  <Copy key="d" text={selected.digest} label="digest">
                    {short_digest(selected.digest)}
                  </Copy>,
                ],
                ["Message", selected.message || "–"],
              ]}
            />
          </Panel>
        </div>
      )}
    </>
  );
}
