// What each check of a gate rests on, as a table: numbers, slices, files, waiver, signature.
import { useQuery } from "@tanstack/react-query";
import { Fragment } from "react";
import { base_path, save_as } from "../api/client";
import {
  type CheckSignature,
  type Compared,
  explain_query,
  type ReleaseCheck,
} from "../api/releases";
import { useProject } from "../app/project";
import { decimal, integer, kMissing, short_digest, signed, timestamp, words } from "../lib/format";
import { Badge, Button, Copy, Empty, Failure, Panel, Scroll, Waiting } from "../ui/kit";
import { toast } from "../ui/toast";

const kColumns = 9;
const kLeastShown = 0.001;

const p_value = (p: number) => (p < kLeastShown ? `<${kLeastShown}` : decimal(p));

function Numbers({ of, threshold }: { of: Compared; threshold?: number }) {
  return (
    <>
      <td className="num">{decimal(of.value)}</td>
      <td className="num text-ink-2">{threshold === undefined ? "" : decimal(threshold)}</td>
      <td className="num text-ink-2">
        {of.champion_value === undefined ? kMissing : decimal(of.champion_value)}
      </td>
      <td className="num whitespace-nowrap">
        {of.difference === undefined ? kMissing : signed(of.difference)}
        {of.lower !== undefined && of.upper !== undefined && (
          <span className="text-ink-2">
            {" "}
            [{signed(of.lower)}, {signed(of.upper)}]
          </span>
        )}
      </td>
      <td className="num">{of.p === undefined ? kMissing : p_value(of.p)}</td>
      <td className="num">{of.n === undefined ? kMissing : integer(of.n)}</td>
    </>
  );
}

function Signature({ of, name }: { of: CheckSignature; name: string }) {
  return (
    <div className="flex flex-wrap items-center gap-x-2 gap-y-1" data-testid={`signature-${name}`}>
      {of.verified ? (
        <Badge tone="good" icon="shield">
          signature verified
        </Badge>
      ) : (
        <Badge tone="bad" icon="warn">
          not verified{of.reason && `: ${of.reason}`}
        </Badge>
      )}
      <span className="text-ink-3 text-xs">{of.payload_type}, key</span>
      <Copy text={of.keyid} label="key id">
        {short_digest(of.keyid)}
      </Copy>
      <span className="text-ink-3 text-xs">envelope</span>
      <Copy text={of.digest} label="digest of the envelope">
        {short_digest(of.digest)}
      </Copy>
      <Button
        look="quiet"
        icon="download"
        onClick={() => {
          save_as(base_path + of.envelope_url, `${name.replaceAll(":", "-")}.dsse.json`).catch(
            (error: Error) => toast(error.message),
          );
        }}
      >
        DSSE
      </Button>
    </div>
  );
}

function Waived({ of }: { of: NonNullable<ReleaseCheck["waiver"]> }) {
  return (
    <div className="flex flex-wrap items-center gap-2 text-xs">
      <Badge tone={of.in_force ? "warn" : "plain"}>{of.in_force ? "waived" : "waiver ended"}</Badge>
      <span className="text-ink-2">
        by {of.actor} until {timestamp(of.expires_ms)}: {of.reason}
      </span>
    </div>
  );
}

function CheckRows({ of }: { of: ReleaseCheck }) {
  return (
    <tbody data-testid={`evidence-${of.name}`} className="border-line border-t">
      <tr>
        <td className="font-medium">{of.name}</td>
        <td>
          <Badge tone={of.passed ? "good" : "bad"} icon={of.passed ? "check" : "cross"}>
            {of.passed ? "passed" : "failed"}
          </Badge>
        </td>
        <Numbers of={of} threshold={of.threshold} />
        <td className="whitespace-nowrap text-ink-2 text-xs">
          {of.test ? `${of.test}, α ${decimal(of.slice_alpha ?? of.alpha)}` : words(of.kind)}
        </td>
      </tr>
      {of.slices?.map((slice) => (
        <tr key={slice.slice} data-testid={`slice-${slice.slice}`}>
          <td className="pl-7 text-ink-2">{slice.slice}</td>
          <td className="text-ink-2 text-xs">{slice.state}</td>
          <Numbers of={slice} />
          <td />
        </tr>
      ))}
      <tr>
        <td colSpan={kColumns}>
          <div className="flex flex-col gap-1.5">
            <span className="wrap-anywhere text-ink-2 text-xs">{of.detail}</span>
            {of.waiver && <Waived of={of.waiver} />}
            {of.files && (
              <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-ink-2 text-xs">
                {of.files.map((file) => (
                  <Fragment key={file.role}>
                    <span className="inline-flex items-center gap-1">
                      {file.role} {file.dataset} v{file.version}
                      <Copy text={file.digest} label={`digest of the ${file.role}`}>
                        {short_digest(file.digest)}
                      </Copy>
                    </span>
                  </Fragment>
                ))}
              </div>
            )}
            {of.signature ? (
              <Signature of={of.signature} name={of.name} />
            ) : (
              <span className="text-ink-3 text-xs">not signed</span>
            )}
          </div>
        </td>
      </tr>
    </tbody>
  );
}

export function GateEvidence({ model, version }: { model: string; version: number }) {
  const project = useProject();
  const explained = useQuery(explain_query(project, model, version, "Production"));
  const checks = explained.data?.checks ?? [];
  return (
    <Panel title={`Gate evidence of v${version}`} flush>
      {explained.error ? (
        <Failure error={explained.error} retry={() => void explained.refetch()} />
      ) : !explained.data ? (
        <Waiting rows={3} />
      ) : checks.length === 0 ? (
        <Empty title="The gate hasn't run" code={`slipway gate run ${model} ${version}`} />
      ) : (
        <Scroll label="Gate evidence">
          <table className="grid-table">
            <thead>
              <tr>
                <th scope="col">Check</th>
                <th scope="col">Verdict</th>
                <th scope="col" className="num">
                  Value
                </th>
                <th scope="col" className="num">
                  Threshold
                </th>
                <th scope="col" className="num">
                  Champion
                </th>
                <th scope="col" className="num">
                  Difference [limits]
                </th>
                <th scope="col" className="num">
                  p
                </th>
                <th scope="col" className="num">
                  n
                </th>
                <th scope="col">Test</th>
              </tr>
            </thead>
            {checks.map((check) => (
              <CheckRows key={check.name} of={check} />
            ))}
          </table>
        </Scroll>
      )}
    </Panel>
  );
}
