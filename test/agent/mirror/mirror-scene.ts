// SPDX-License-Identifier: Apache-2.0
// Sets up a primary and its mirrors over tokens in memory, with a relay in front of each that a test can cut.
import type { Test } from "tap";
import { eventually } from "../../../scripts/local/eventually.ts";
import { HoldingBody } from "../../../server/agent-api/mirror-schema.ts";
import type { RoleOrder } from "../../../server/agent-api/role-schema.ts";
import { compileSchema } from "../../../server/http/validation.ts";
import { startTcpProxy } from "../../doubles/tcp-proxy.ts";
import {
  type Answered,
  orderFor,
  type SetAgent,
  setTokens,
  startSetAgent,
  toldBy,
} from "../role/set-agent.ts";

const Held = compileSchema(HoldingBody);

/** Agents `a`, `b`, …, which reach each other through relays. */
export const mirrorScene = async (t: Test, ids: readonly string[] = ["a", "b"]) => {
  const tokens = setTokens(t);
  const agents: SetAgent[] = [];
  const relays = new Map<string, Awaited<ReturnType<typeof startTcpProxy>>>();
  for (const id of ids) {
    const agent = await startSetAgent(t, tokens, id);
    agents.push(agent);
    relays.set(id, await startTcpProxy(t, agent.url));
  }
  const members = ids.map((id) => ({ id, address: new URL(relays.get(id)?.url ?? "").host }));
  const find = (id: string): SetAgent => {
    const found = agents.find((agent) => agent.id === id);
    if (found === undefined) throw new Error(`no agent ${id}`);
    return found;
  };
  /** Orders one agent, or all with the primary first, by what each says now. */
  const order = async (id: string, fields: Partial<RoleOrder> = {}): Promise<Answered> => {
    const wanted = await orderFor(find(id), agents, { members, ...fields });
    return find(id).ask("PUT", "/v1/role", wanted, { as: "role" });
  };
  const orderAll = async (primary: string, fields: Partial<RoleOrder> = {}): Promise<void> => {
    for (const id of [primary, ...ids.filter((one) => one !== primary)]) {
      const role = id === primary ? "primary" : "mirror";
      const { status, json } = await order(id, { primary, role, found: id === primary, ...fields });
      if (status !== 200) throw new Error(`${id} did not take its order: ${JSON.stringify(json)}`);
    }
  };
  /** Has the mirror pull, and answers what it says then. */
  const pull = async (id: string) => {
    await find(id).set.puller.pull();
    return toldBy(find(id));
  };
  /** What the token holds, by path. */
  const holding = async (id: string): Promise<HoldingBody> => {
    const { json } = await find(id).ask("GET", "/v1/mirror/holding", undefined, { as: "reader" });
    if (!Held.Check(json)) throw new Error(JSON.stringify(json));
    return json;
  };
  /** The holding without what differs from process to process. */
  const content = async (id: string) => {
    const { set, epoch, secrets, tombstones } = await holding(id);
    return { set, epoch, secrets, tombstones };
  };
  const put = (id: string, path: string, value: string, headers: Record<string, string> = {}) =>
    find(id).ask(
      "PUT",
      `/v1/secrets/${path}`,
      { data: { key: Buffer.from(value).toString("base64") } },
      { headers },
    );
  const read = async (id: string, path: string): Promise<string | undefined> => {
    const { json } = await find(id).ask("GET", `/v1/secrets/${path}`);
    const data = json.data as { key?: string } | undefined;
    return data?.key === undefined ? undefined : Buffer.from(data.key, "base64").toString();
  };
  /** How often the primary sent a secret to a mirror. */
  const sent = (id: string): number =>
    find(id)
      .audits()
      .filter(({ audit, outcome }) => audit === "mirror" && outcome === "found").length;
  const cut = async (id: string) => relays.get(id)?.shut();
  const mend = async (id: string) => relays.get(id)?.open();
  return { agents, find, order, orderAll, pull, holding, content, put, read, sent, cut, mend };
};

/** Waits until `isSo`, for what comes by itself. */
export const until = async (isSo: () => Promise<boolean>, what: string): Promise<void> => {
  await eventually(what, isSo, { seconds: 60, paceMs: 10 });
};
