import { useEffect, useState } from "react";
import type { Deployment } from "../api/types";
import { duration_us, integer, percent } from "../lib/format";
import {
  arm_key,
  kWindow_ms,
  push_sample,
  type Sample,
  sample_of,
  type Traffic,
  traffic_of,
} from "../lib/traffic";
import { ModelLink } from "../ui/domain";
import { Panel, Scroll } from "../ui/kit";
import { Ribbon } from "../ui/ribbon";
import { arm_mark } from "./deployments";

/** Turns polled counters into rates: a sample for each answer, forgotten after half a minute. */
function useTraffic(deployment: Deployment, at_ms: number): Traffic {
  const [samples, set_samples] = useState<Sample[]>([]);
  useEffect(() => {
    set_samples((old) =>
      old.at(-1)?.t_ms === at_ms ? old : push_sample(old, sample_of(deployment, at_ms)),
    );
  }, [deployment, at_ms]);
  return traffic_of(samples);
}

const rate = (per_s: number) => (per_s >= 10 ? integer(per_s) : per_s.toFixed(1));

export function SplitPanel({ deployment, at_ms }: { deployment: Deployment; at_ms: number }) {
  const traffic = useTraffic(deployment, at_ms);
  const moving = traffic.total_per_s > 0;
  const arms = deployment.arms.map((arm) => {
    const live = traffic.arms[arm_key(arm)];
    return { arm, per_s: live?.per_s ?? 0, observed: live?.share ?? null };
  });
  const title = arms
    .map(({ arm, observed }) => `${arm.role} v${arm.version}: ${percent(observed ?? arm.weight)}`)
    .join(", ");
  return (
    <Panel
      title="Live split"
      note={
        moving
          ? `${rate(traffic.total_per_s)} requests/s, observed over the last ${kWindow_ms / 1_000} s`
          : "no traffic now: drawn as configured"
      }
      flush
    >
      <div className="px-4 pt-3">
        <Ribbon
          title={`Traffic split. ${title}`}
          moving={moving}
          arms={arms.map(({ arm, observed }) => ({
            key: arm_key(arm),
            label: `${arm.role} v${arm.version}`,
            share: moving && observed !== null ? observed : arm.weight,
            mark: arm_mark(arm.role),
            hatched: arm.role === "canary",
          }))}
        />
      </div>
      <Scroll label="Arms">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">Arm</th>
              <th scope="col">Version</th>
              <th scope="col" className="num">
                Weight
              </th>
              <th scope="col" className="num">
                Observed
              </th>
              <th scope="col" className="num">
                Req/s
              </th>
              <th scope="col" className="num">
                Requests
              </th>
              <th scope="col" className="num">
                Errors
              </th>
              <th scope="col" className="num">
                p50
              </th>
              <th scope="col" className="num">
                p99
              </th>
            </tr>
          </thead>
          <tbody>
            {arms.map(({ arm, per_s, observed }) => (
              <tr key={arm_key(arm)} data-testid={`arm-${arm.role}`}>
                <td>
                  <span className="flex items-center gap-2">
                    <svg width="12" height="12" aria-hidden="true">
                      <rect width="12" height="12" rx="3" fill={`var(${arm_mark(arm.role)})`} />
                      {arm.role === "canary" && (
                        <rect width="12" height="12" rx="3" fill="url(#ribbon-hatch)" />
                      )}
                    </svg>
                    {arm.role}
                  </span>
                </td>
                <td data-testid="version">
                  <ModelLink name={deployment.model} version={arm.version}>
                    v{arm.version}
                  </ModelLink>
                </td>
                <td className="num" data-testid="weight">
                  {percent(arm.weight)}
                </td>
                <td className="num text-ink-2">{percent(observed)}</td>
                <td className="num text-ink-2">{rate(per_s)}</td>
                <td className="num font-medium" data-testid="requests">
                  {integer(arm.requests)}
                </td>
                <td
                  className={`num ${arm.errors > 0 ? "font-medium text-bad" : ""}`}
                  data-testid="errors"
                >
                  {integer(arm.errors)}
                </td>
                <td className="num">{duration_us(arm.latency_us.p50)}</td>
                <td className="num">{duration_us(arm.latency_us.p99)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
