// A page that is one list of named things: its head, and below it the wait, the failure, what to do
// when there is nothing yet, or the table.
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Empty, Failure, PageHead, Panel, Scroll, Waiting } from "./kit";

export interface Column<T> {
  head: string;
  num?: boolean; // Figures: set in tabular digits, to the right.
  look?: string | ((item: T) => string);
  testid?: string;
  cell: (item: T) => ReactNode;
}

function classes(...parts: (string | false | undefined)[]): string | undefined {
  return parts.filter(Boolean).join(" ") || undefined;
}

function Cell<T>({ column, item }: { column: Column<T>; item: T }) {
  const look = typeof column.look === "function" ? column.look(item) : column.look;
  return (
    <td className={classes(column.num && "num", look)} data-testid={column.testid}>
      {column.cell(item)}
    </td>
  );
}

export function ListPage<T extends { name: string }>({
  kind,
  title,
  sub,
  query,
  columns,
  empty,
}: {
  kind: string; // "model": rows are model-NAME to tests.
  title: string;
  sub: string;
  query: UseQueryResult<T[]>;
  columns: Column<T>[];
  empty: { title: string; code: string; text: string };
}) {
  return (
    <>
      <PageHead title={title} sub={sub} />
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && (
        <Panel flush>
          <Waiting />
        </Panel>
      )}
      {query.data?.length === 0 && (
        <Panel>
          <Empty title={empty.title} code={empty.code}>
            {empty.text}
          </Empty>
        </Panel>
      )}
      {query.data && query.data.length > 0 && (
        <Panel flush>
          <Scroll label={title}>
            <table className="grid-table">
              <thead>
                <tr>
                  {columns.map((column) => (
                    <th key={column.head} scope="col" className={column.num ? "num" : undefined}>
                      {column.head}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {query.data.map((item) => (
                  <tr key={item.name} data-row data-testid={`${kind}-${item.name}`}>
                    {columns.map((column) => (
                      <Cell key={column.head} column={column} item={item} />
                    ))}
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
