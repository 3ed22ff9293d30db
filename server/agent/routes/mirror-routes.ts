// SPDX-License-Identifier: Apache-2.0
// Serves what the agents of one set ask each other: the holding of a primary, its secrets with their stamps, and to pull now.
import { hash } from "node:crypto";
import { Type } from "@sinclair/typebox";
import { toBase64Map } from "../../../hooks/formats.ts";
import {
  DivergedBody,
  HoldingBody,
  MemberReport,
  MirroredSecretBody,
  PullAnswer,
  PullBody,
} from "../../agent-api/mirror-schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import { sendError } from "../../http/errors.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { makeWithinBudget } from "../../http/limits.ts";
import { tagsOf } from "../../http/validation.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { Divergence, HeldSecret, Holding } from "../mirror/plan-pull.ts";
import type { AgentSet } from "../role/open-set.ts";
import { stampOf } from "../storage/stamp.ts";
import type { SecretStore } from "../store.ts";
import { hangUpSignal, startAudit } from "./audit.ts";
import { checkedPath } from "./secret-input.ts";
import { sendUnavailable, valueBytes } from "./secret-routes.ts";

export type MirrorRouteOptions = {
  set: AgentSet;
  /** As clients have it. */
  store: SecretStore;
  metrics: AgentMetrics;
  device: string;
};

const failures = { "4xx": ErrorBody, "5xx": ErrorBody };
const IfNoneMatch = Type.Object({ "if-none-match": Type.Optional(Type.String({ maxLength: 8192 })) });
/** Who is not a mirror says nothing of itself. */
const HoldingQuery = Type.Partial(MemberReport, { additionalProperties: false });

/** Adds the four routes. */
export const addMirrorRoutes = (app: KeyswitchServer, options: MirrorRouteOptions): void => {
  addHoldingRoute(app, options);
  addMirroredSecretRoute(app, options);
  addPullRoute(app, options);
  addDivergedRoute(app, options);
};

const mutable = <T>(items: readonly T[]): T[] => [...items];

/** Stamps are arrays of pairs here and there; the schema's are not read-only. */
const holdingBody = (holding: Holding, instance: string, position: number): HoldingBody => ({
  set: holding.set ?? null,
  epoch: holding.epoch,
  instance,
  position,
  secrets: holding.secrets.map(({ stamp, keys, ...rest }) => ({
    ...rest,
    keys: mutable(keys),
    stamp: { ...stamp, history: stamp.history.map(([epoch, version]): [number, number] => [epoch, version]) },
  })),
  tombstones: holding.tombstones.map(({ history, ...rest }) => ({
    ...rest,
    history: history.map(([epoch, version]): [number, number] => [epoch, version]),
  })),
});

const addHoldingRoute = (app: KeyswitchServer, { set, metrics }: MirrorRouteOptions): void => {
  const { role, member, followers, instance } = set;
  app.get(
    "/v1/mirror/holding",
    {
      config: { scope: "read" },
      schema: {
        querystring: HoldingQuery,
        headers: IfNoneMatch,
        response: { 200: HoldingBody, 304: Type.Void(), ...failures },
      },
    },
    async (request, reply) => {
      const audit = startAudit(request, metrics, "holding");
      const { member: asking, ...said } = request.query;
      // What a member holds decides whether a write is acknowledged: who may only read can't say it.
      if (asking !== undefined && request.mayWrite) followers.reported({ member: asking, ...said });
      // Before the list: what is counted by now is in it.
      const { position } = role.count;
      const held = await member.holding();
      if (held.kind === "unavailable") {
        audit({ outcome: held.code });
        return sendUnavailable(reply, held);
      }
      if (role.count.writing === 0) followers.listed(held.holding, role.count.position);
      const body = holdingBody(held.holding, instance, position);
      const etag = `"sha256:${hash("sha256", JSON.stringify(body))}"`;
      reply.header("etag", etag).header("cache-control", "no-store");
      const isKnown = tagsOf(request.headers["if-none-match"]).includes(etag);
      audit({ outcome: isKnown ? "unchanged" : "listed", count: body.secrets.length });
      return isKnown ? reply.code(304).send() : body;
    },
  );
};

const addMirroredSecretRoute = (app: KeyswitchServer, { store, metrics }: MirrorRouteOptions): void => {
  app.get(
    "/v1/mirror/secrets/*",
    {
      config: { scope: "read" },
      schema: {
        params: Type.Object({ "*": Type.String() }),
        response: { 200: MirroredSecretBody, ...failures },
      },
    },
    async (request, reply) => {
      const path = checkedPath(request);
      const audit = startAudit(request, metrics, "mirror");
      const signal = hangUpSignal(reply);
      const read = await makeWithinBudget(
        reply,
        0,
        () => store.read(path, { signal }),
        (one) => (one.kind === "found" ? valueBytes(one.data) : 0),
      );
      reply.header("cache-control", "no-store");
      if (read === undefined) {
        audit({ outcome: "TOO_BUSY", path });
        return sendError(reply, "TOO_BUSY");
      }
      if (read.kind === "unavailable") {
        audit({ outcome: read.code, path });
        return sendUnavailable(reply, read);
      }
      if (read.kind === "absent") {
        audit({ outcome: "absent", path });
        return sendError(reply, "SECRET_NOT_FOUND");
      }
      const { checksum, version, layout, metadata } = read;
      audit({ outcome: "found", path, checksum });
      const { history, ...stamp } = stampOf(version, metadata);
      const pairs = history.map(([epoch, last]): [number, number] => [epoch, last]);
      const data = toBase64Map(read.data);
      return { path, data, checksum, stamp: { ...stamp, history: pairs }, layout, metadata };
    },
  );
};

const addPullRoute = (app: KeyswitchServer, { set, metrics }: MirrorRouteOptions): void => {
  const { role, puller } = set;
  app.post(
    "/v1/mirror/pull",
    { config: { scope: "read" }, schema: { body: PullBody, response: { 200: PullAnswer, ...failures } } },
    async (request, reply) => {
      const audit = startAudit(request, metrics, "pull");
      const order = role.lease.lastOrder();
      const { set: name, epoch, primary } = request.body;
      const isOurs = order?.role === "mirror" && order.set === name && order.epoch === epoch;
      if (!isOurs || order.primary !== primary) {
        audit({ outcome: "STALE_ORDER" });
        const message = "the agent is no mirror of this primary in this epoch of the set";
        return sendError(reply, "STALE_ORDER", { message });
      }
      const end = await puller.pull();
      if (end.kind === "pulled") audit({ outcome: end.failed?.code ?? "pulled", count: end.copied });
      else audit({ outcome: end.code });
      const code = end.kind === "not-begun" ? { code: end.code } : {};
      return { mirror: puller.told(), report: await puller.report(order), ...code };
    },
  );
};

/** A copy without its values. */
const shownSide = (secret: HeldSecret | undefined) =>
  secret === undefined
    ? null
    : {
        checksum: secret.checksum,
        keys: mutable(secret.keys),
        bytes: secret.bytes,
        epoch: secret.stamp.epoch,
        version: secret.stamp.version,
      };

const shownDivergence = ({ path, here, there }: Divergence) => ({
  path,
  here: shownSide(here),
  there: shownSide(there),
});

const addDivergedRoute = (app: KeyswitchServer, { set, device }: MirrorRouteOptions): void => {
  app.get(
    "/v1/mirror/diverged",
    { config: { scope: "read" }, schema: { response: { 200: DivergedBody } } },
    async () => ({
      device,
      primary: set.role.lease.lastOrder()?.primary ?? null,
      diverged: set.puller.diverged().map(shownDivergence),
    }),
  );
};
