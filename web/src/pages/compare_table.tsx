import { diff_rows } from "../lib/compare";
import { integer } from "../lib/format";
import { Check, type CompareProps } from "../ui/compare_parts";
import { Empty, Panel, Scroll } from "../ui/kit";
import { RunLink } from "../ui/run_parts";

const kLong = 120;

export function CompareTable({ runs, search, set }: CompareProps) {
  const all = diff_rows(runs);
  const rows = search.all === 1 ? all : all.filter((r) => r.differs);
  const hidden = all.length - rows.length;
  return (
    <Panel
      title="Differences"
      note={hidden > 0 ? `${integer(hidden)} that are the same are hidden` : undefined}
      actions={
        <Check
          label="Only differing"
          checked={search.all !== 1}
          on_change={(on) => set({ all: on ? undefined : 1 })}
        />
      }
      flush
    >
      {rows.length === 0 ? (
        <Empty title="These runs do not differ" />
      ) : (
        <Scroll label="Differences">
          <table className="grid-table">
            <thead>
              <tr>
                <th scope="col">What</th>
                {runs.map((run) => (
                  <th key={run.run_id} scope="col">
                    <RunLink id={run.run_id}>{run.name || run.run_id.slice(0, 8)}</RunLink>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id} data-row data-testid={`diff-${row.id}`}>
                  <th scope="row">
                    <span className="text-ink-3">{row.group}</span>{" "}
                    <span className="font-mono text-ink">{row.name}</span>
                  </th>
                  {row.cells.map((cell, i) => (
                    <td
                      key={runs[i]?.run_id}
                      title={cell}
                      className={
                        row.differs && cell !== row.cells[0] ? "font-medium" : "text-ink-2"
                      }
                    >
                      {cell.length > kLong ? `${cell.slice(0, kLong)}…` : cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}
