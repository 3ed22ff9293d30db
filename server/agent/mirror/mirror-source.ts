// SPDX-License-Identifier: Apache-2.0
// Asks the primary for what it holds and for single secrets, and checks what it answers.
import { checksum } from "../../../hooks/checksum.ts";
import { fromBase64Map } from "../../../hooks/formats.ts";
import type { NoAnswer, WireAnswer } from "../../agent-api/client.ts";
import { HoldingBody, type MemberReport, MirroredSecretBody } from "../../agent-api/mirror-schema.ts";
import type { RoleOrder, SetPosition } from "../../agent-api/role-schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import { compileSchema } from "../../http/validation.ts";
import { jsonOf } from "../../json.ts";
import { timeLimit } from "../../time.ts";
import type { PeerClient } from "../role/peer-client.ts";
import type { Copy } from "./member.ts";
import { type Holding, type Tombstone, tombstoneKey } from "./plan-pull.ts";

const Held = compileSchema(HoldingBody);
const Mirrored = compileSchema(MirroredSecretBody);
const Failed = compileSchema(ErrorBody);

/** The longest that one answer of the primary is waited for. */
const ANSWER_MS = 15_000;

const within = (signal: AbortSignal | undefined): AbortSignal =>
  signal === undefined ? timeLimit(ANSWER_MS) : AbortSignal.any([signal, timeLimit(ANSWER_MS)]);

/** Why the primary gave nothing that can be used. */
export type SourceFault = { readonly kind: "fault"; readonly code: string; readonly message: string };

/** `holds`: who has all of it. */
export type SourceHolding = {
  readonly kind: "holding";
  readonly holding: Holding;
  readonly holds: SetPosition;
  /** Whether this process of the primary has told of the deletion before: what it holds at the path now came after it. */
  hasTold(tombstone: Tombstone): boolean;
};

const fault = (code: string, message: string): SourceFault => ({ kind: "fault", code, message });

/** What an answer that is not the one that was asked for means. */
const faultOf = (answer: WireAnswer | NoAnswer): SourceFault => {
  if ("kind" in answer) return fault("AGENT_UNREACHABLE", `the primary ${answer.what}`);
  const body = jsonOf(answer.body);
  return Failed.Check(body)
    ? fault(body.code, body.message)
    : fault("AGENT_REFUSED", `the primary answered ${answer.status}`);
};

const queryOf = (report: MemberReport): string =>
  new URLSearchParams(
    Object.entries(report).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();

const holdingOf = ({ set, epoch, secrets, tombstones }: HoldingBody): Holding => ({
  ...(set !== null && { set }),
  epoch,
  secrets,
  tombstones,
});

/** The primary as a mirror sees it. */
export class MirrorSource {
  readonly #peers: PeerClient;
  /** What it answered last, which it need not send again. */
  #last: { readonly primary: string; readonly etag: string; readonly body: HoldingBody } | undefined;

  /** The deletions that one process of a primary has told of in its epoch. */
  #told: { readonly instance: string; readonly epoch: number; readonly deletions: Set<string> } | undefined;

  constructor(peers: PeerClient) {
    this.#peers = peers;
  }

  /** What the primary of `order` holds, which is told `report`. */
  async holding(
    order: RoleOrder,
    report: MemberReport,
    signal?: AbortSignal,
  ): Promise<SourceHolding | SourceFault> {
    const last = this.#last?.primary === order.primary ? this.#last : undefined;
    const path = `/v1/mirror/holding?${queryOf(report)}`;
    const asked = { method: "GET" as const, path, ...(last !== undefined && { ifNoneMatch: last.etag }) };
    const answer = await this.#peers.call(order, order.primary, asked, within(signal));
    if (!("kind" in answer) && answer.status === 304 && last !== undefined) {
      return this.#found(order, last.body);
    }
    if ("kind" in answer || answer.status !== 200) return faultOf(answer);
    const body = jsonOf(answer.body);
    if (!Held.Check(body)) return fault("AGENT_REFUSED", "the primary's list has an unknown shape");
    const etag = typeof answer.headers.etag === "string" ? answer.headers.etag.slice(1, -1) : undefined;
    this.#last = etag === undefined ? undefined : { primary: order.primary, etag, body };
    return this.#found(order, body);
  }

  #found({ primary }: RoleOrder, body: HoldingBody): SourceHolding {
    const { instance, position, epoch, tombstones } = body;
    if (this.#told?.instance !== instance || this.#told.epoch !== epoch) {
      this.#told = { instance, epoch, deletions: new Set() };
    }
    const { deletions } = this.#told;
    for (const tombstone of tombstones) deletions.add(tombstoneKey(tombstone));
    return {
      kind: "holding",
      holding: holdingOf(body),
      holds: { member: primary, instance, position },
      hasTold: (tombstone) => deletions.has(tombstoneKey(tombstone)),
    };
  }

  /** One secret of the primary. */
  async secret(
    order: RoleOrder,
    path: string,
    signal?: AbortSignal,
  ): Promise<{ readonly kind: "found"; readonly copy: Copy } | { readonly kind: "absent" } | SourceFault> {
    const route = `/v1/mirror/secrets/${path}`;
    const asked = { method: "GET" as const, path: route };
    const answer = await this.#peers.call(order, order.primary, asked, within(signal));
    if ("kind" in answer || answer.status !== 200) {
      const failed = faultOf(answer);
      return failed.code === "SECRET_NOT_FOUND" ? { kind: "absent" } : failed;
    }
    const body = jsonOf(answer.body);
    if (!Mirrored.Check(body) || body.path !== path) {
      return fault("AGENT_REFUSED", "the primary's secret has another shape than is known");
    }
    const data = fromBase64Map(body.data);
    if (checksum(data) !== body.checksum) {
      return fault("AGENT_REFUSED", "the secret came with another checksum than its values have");
    }
    return { kind: "found", copy: { data, metadata: body.metadata, stamp: body.stamp } };
  }
}
