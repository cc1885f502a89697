// Requests of the whole project: what waits for you, what you asked for, everything.
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import {
  inbox_query,
  kRequestStates,
  type ListedRequest,
  type RequestState,
  type Whose,
} from "../api/releases";
import { timestamp, words } from "../lib/format";
import { ModelLink } from "../ui/domain";
import {
  Ago,
  Badge,
  Button,
  Empty,
  Failure,
  PageHead,
  Panel,
  Scroll,
  Segmented,
  type Tone,
  Waiting,
} from "../ui/kit";

const kTone: Record<RequestState, Tone> = {
  open: "info",
  applied: "good",
  rejected: "bad",
  cancelled: "plain",
  expired: "warn",
};

const kNothing: Record<Whose, string> = {
  waiting: "Nothing waits for you",
  mine: "You have asked for nothing",
  all: "Nobody has asked for anything",
};

function Filters() {
  const search = useSearch({ from: "/p/$project/approvals" });
  const navigate = useNavigate({ from: "/p/$project/approvals" });
  const whose = search.whose ?? "waiting";
  return (
    <>
      <Segmented
        label="Whose"
        value={whose}
        onChange={(next) =>
          void navigate({
            // Only what is open waits for somebody.
            search: { whose: next, state: next === "waiting" ? undefined : search.state },
          })
        }
        options={[
          { value: "waiting", label: "Waiting for me" },
          { value: "mine", label: "Made by me" },
          { value: "all", label: "All" },
        ]}
      />
      {whose !== "waiting" && (
        <label className="flex items-center gap-2 text-xs">
          <span className="label">State</span>
          <select
            className="h-8 rounded-lg border border-line-strong bg-panel px-2 text-xs"
            value={search.state ?? ""}
            onChange={(event) =>
              void navigate({
                search: { whose, state: (event.target.value || undefined) as RequestState },
              })
            }
          >
            <option value="">any</option>
            {kRequestStates.map((state) => (
              <option key={state} value={state}>
                {state}
              </option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}

function Row({ of }: { of: ListedRequest }) {
  return (
    <tr data-row data-testid={`request-${of.model}-${of.version}`}>
      <td className="whitespace-nowrap font-medium">
        <ModelLink name={of.model} version={of.version} />
      </td>
      <td className="whitespace-nowrap">{of.to}</td>
      <td>
        {of.requester}
        {of.comment && (
          <div className="max-w-[40ch] truncate text-ink-3 text-xs" title={of.comment}>
            {of.comment}
          </div>
        )}
      </td>
      <td className="num whitespace-nowrap" data-testid="approvals">
        {of.approvals_needed === undefined
          ? of.approvals_count
          : `${of.approvals_count} of ${of.approvals_needed}`}
      </td>
      <td data-testid="state">
        <Badge tone={kTone[of.state]}>{words(of.state)}</Badge>
      </td>
      <td className="num text-ink-2">
        <Ago ms={of.created_ms} />
      </td>
      <td className="num whitespace-nowrap text-ink-2">{timestamp(of.expires_ms)}</td>
    </tr>
  );
}

export function Approvals() {
  const { project } = useParams({ from: "/p/$project/approvals" });
  const search = useSearch({ from: "/p/$project/approvals" });
  const navigate = useNavigate({ from: "/p/$project/approvals" });
  const whose = search.whose ?? "waiting";
  const page = useQuery(inbox_query(project, whose, search.state, search.after));
  const items = page.data?.items ?? [];
  const next = page.data?.next_page_token;
  const turn = (after: string | undefined) =>
    void navigate({ search: (old) => ({ ...old, after }) });
  return (
    <>
      <PageHead
        title="Approvals"
        sub="Who asks that which version enter a stage or get an alias, and whose word is missing."
        actions={<Filters />}
      />
      {page.error && <Failure error={page.error} retry={() => void page.refetch()} />}
      <Panel flush>
        {page.isPending && <Waiting rows={6} />}
        {page.data && items.length === 0 && (
          <Empty title={kNothing[whose]} code="slipway model request MODEL VERSION --to Production">
            A request is made from the command line, or by any client that speaks the REST of
            transition requests.
          </Empty>
        )}
        {items.length > 0 && (
          <Scroll label="Requests">
            <table className="grid-table">
              <thead>
                <tr>
                  <th scope="col">Version</th>
                  <th scope="col">To</th>
                  <th scope="col">Requester</th>
                  <th scope="col" className="num">
                    Approvals
                  </th>
                  <th scope="col">State</th>
                  <th scope="col" className="num">
                    Asked
                  </th>
                  <th scope="col" className="num">
                    Expires
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((r) => (
                  <Row key={r.uid} of={r} />
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
        {(search.after || next) && (
          <div className="flex justify-end gap-2 border-line border-t px-4 py-2">
            {search.after && (
              <Button look="quiet" icon="left" onClick={() => turn(undefined)}>
                Newest
              </Button>
            )}
            <Button disabled={!next} onClick={() => turn(next)}>
              Older
            </Button>
          </div>
        )}
      </Panel>
    </>
  );
}
