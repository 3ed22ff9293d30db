// SPDX-License-Identifier: Apache-2.0
// `health` shows whether the agent is up, whether its token can be read, and how full the token is.
import { Type } from "@sinclair/typebox";
import type { DeviceInfo } from "../../agent-api/schema.ts";
import { compileSchema } from "../../http/validation.ts";
import { jsonOf } from "../../json.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";

const probe = compileSchema(
  Type.Object({
    checks: Type.Optional(
      Type.Array(
        Type.Object({ name: Type.String(), ok: Type.Boolean(), message: Type.Optional(Type.String()) }),
      ),
    ),
  }),
);

export const health = command({
  name: "health",
  summary: "tell whether agent and token work, and how full the token is",
  operands: [],
  options: {},
  async run(context) {
    const agent = await context.agent("read");
    const alive = await agent.probe("/healthz");
    const readiness = await agent.probe("/readyz");
    const ready = readiness.status === 200;
    const reasons = reasonsOf(readiness.text);
    let info: DeviceInfo | undefined;
    let failure: string | undefined;
    try {
      info = await agent.info();
    } catch (error) {
      // Who asks for its health wants to hear what there is to be told besides.
      if (!(error instanceof CommandFailed)) throw error;
      failure = error.message;
    }
    const well = alive.status === 200 && ready && info !== undefined;
    await context.output.result({ alive: alive.status === 200, ready, reasons, info, failure }, [
      `agent:     ${alive.status === 200 ? "alive" : `not alive (HTTP ${alive.status})`}`,
      `ready:     ${ready ? "yes" : ["no", ...reasons].join(": ")}`,
      ...(info === undefined ? [`token:     ${failure}`] : infoLines(info)),
    ]);
    return well ? "done" : "unreachable";
  },
});

const reasonsOf = (text: string): string[] => {
  const body = jsonOf(text);
  if (!probe.Check(body)) return [];
  return (body.checks ?? []).flatMap(({ ok, name, message }) => (ok ? [] : [message ?? name]));
};

const problemLines = ({
  unreadableObjects,
  damagedNames,
  invalidLabels,
  publicObjects,
}: DeviceInfo): string[] => {
  const problems = [
    unreadableObjects > 0 ? `${unreadableObjects} can't be read` : "",
    damagedNames > 0 ? `${damagedNames} with a damaged name` : "",
  ].filter((problem) => problem !== "");
  const odd = [
    invalidLabels > 0 ? `${invalidLabels} with a label that can't be a key` : "",
    publicObjects > 0 ? `${publicObjects} that are not private` : "",
  ].filter((problem) => problem !== "");
  return [
    ...(problems.length === 0 ? [] : [`problems:  ${problems.join(", ")} (kubectl hsm repair)`]),
    ...(odd.length === 0 ? [] : [`invalid:   ${odd.join(", ")} (kubectl hsm list --invalid)`]),
  ];
};

const infoLines = (info: DeviceInfo): string[] => {
  const { token } = info;
  const limit = info.objectLimit === null ? "" : ` of ${info.objectLimit} (${info.objectLimitSource})`;
  const space =
    info.freeBytes === null
      ? ""
      : `, ${info.freeBytes} B free${info.totalBytes === null ? "" : ` of ${info.totalBytes} B`}`;
  return [
    `device:    ${info.device} on ${info.node}`,
    `token:     ${token.label} (${token.manufacturer} ${token.model}, serial ${token.serial}, firmware ${token.firmware})`,
    `module:    ${info.module}, ${info.cache}, read ${(info.viewAgeMs / 1000).toFixed(1)} s ago`,
    `objects:   ${info.objects}${limit}${space}`,
    ...problemLines(info),
    `layout:    ${info.layout}${info.maxObjectBytes === null ? "" : `, objects of at most ${info.maxObjectBytes} B`}`,
    `writable:  ${info.writable ? "yes" : "no (WRITE_TOKEN_FILE)"}`,
  ];
};
