// SPDX-License-Identifier: Apache-2.0
// Serves what people decide of a set: that a token with secrets of its own joins it, and which of two diverged copies stays.

import { Type } from "@sinclair/typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { fromBase64Map, toBase64Map } from "../../../hooks/formats.ts";
import {
  AdoptBody,
  AdoptedBody,
  ResolutionBody,
  ResolveBody,
  ResolvedBody,
} from "../../agent-api/mirror-schema.ts";
import type { RoleOrder } from "../../agent-api/role-schema.ts";
import { DeleteBody, WriteBody } from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { isDone } from "../mirror/change-results.ts";
import { MirrorSource } from "../mirror/mirror-source.ts";
import type { Divergence } from "../mirror/plan-pull.ts";
import { type HandedOn, isHandedOn } from "../role/handed-on.ts";
import type { Unavailable } from "../store.ts";
import { startWriteAudit } from "./audit.ts";
import type { MirrorRouteOptions } from "./mirror-routes.ts";
import { checkedWritePath, keyFaults, refuseFaults, refuseOversize } from "./secret-input.ts";
import { sendHandedOn } from "./write-gate.ts";
import { auditedChange, type Failure, failureOf, sendFailure, writeRoute } from "./write-route.ts";

const failures = { "4xx": ErrorBody, "5xx": ErrorBody };

/** Adds the three routes. */
export const addMirrorDecisions = (app: KeyswitchServer, options: MirrorRouteOptions): void => {
  addAdoptRoute(app, options);
  addResolveRoute(app, options);
  addResolutionRoute(app, options);
};

const addAdoptRoute = (app: KeyswitchServer, { set, metrics, device }: MirrorRouteOptions): void => {
  const { member } = set;
  app.post(
    "/v1/mirror/adopt",
    { ...writeRoute("adopt"), schema: { body: AdoptBody, response: { 200: AdoptedBody, ...failures } } },
    async (request, reply) => {
      const audit = startWriteAudit(request, metrics, "adopt");
      const refuse = (failure: Failure) => {
        audit({ outcome: failure.code });
        return sendFailure(reply, failure);
      };
      const known = await member.membership();
      if (known.kind === "unavailable") return refuse(failureOf(known));
      const { membership } = known;
      const { set: name } = request.body;
      if (membership !== undefined && membership.set !== name) {
        const message = `the token belongs to the set ${membership.set} already`;
        return refuse({ code: "OTHER_SET", message });
      }
      if (membership === undefined) {
        // Below every epoch of the set: an order raises it, and nothing of what is here counts as newer.
        const joined = await member.join({ set: name, epoch: 0 });
        if (!isDone(joined)) return refuse(failureOf(joined));
      }
      audit({ outcome: membership === undefined ? "adopted" : "unchanged" });
      return { device, set: name, epoch: membership?.epoch ?? 0 };
    },
  );
};

const NOT_A_MIRROR: Failure = {
  code: "NO_LEASE",
  message: "the agent is no mirror of a primary at the moment; nothing was changed",
  retryAfterSeconds: 5,
};

const isStillMirror = ({ set, epoch, primary }: RoleOrder, now: RoleOrder | undefined): boolean =>
  now?.role === "mirror" && now.set === set && now.epoch === epoch && now.primary === primary;

/** Lets the primary's copy, or its lack of one, take the place of the one here. */
const keepThere = async (
  { set: { puller, member, peers, role } }: MirrorRouteOptions,
  order: RoleOrder,
  path: string,
): Promise<Failure | undefined> =>
  puller.apart(async () => {
    // While others had their turn this may have become the primary, whose secrets are nobody's copies.
    if (!isStillMirror(order, role.lease.lastOrder())) return NOT_A_MIRROR;
    const found = await new MirrorSource(peers).secret(order, path);
    if (found.kind === "fault") {
      const message = `nothing was changed: ${found.message}`;
      return { code: "AGENT_UNREACHABLE", message };
    }
    const end = found.kind === "found" ? await member.take(path, found.copy) : await member.remove(path);
    return isDone(end) ? undefined : failureOf(end);
  });

/** Sends the copy that is here to the primary, with the credentials of whoever decided. */
const keepHere = async (
  { set: { member, peers }, store }: MirrorRouteOptions,
  request: FastifyRequest,
  order: RoleOrder,
  { path, there }: Divergence,
): Promise<HandedOn | Failure | Unavailable> => {
  const [held, read] = [await member.holding(), await store.read(path)];
  if (held.kind === "unavailable") return held;
  if (read.kind === "unavailable") return read;
  const { secrets, tombstones } = held.holding;
  const stamp =
    secrets.find((one) => one.path === path)?.stamp ?? tombstones.find((one) => one.path === path);
  if (stamp === undefined) return { code: "SECRET_NOT_FOUND" };
  const { epoch, version, history } = stamp;
  const body = {
    data: read.kind === "found" ? toBase64Map(read.data) : null,
    ...(read.kind === "found" && { metadata: read.metadata }),
    stamp: { epoch, version, history },
    replaces: there?.checksum ?? null,
  };
  const { authorization } = request.headers;
  const headers = { authorization, "content-type": "application/json" };
  const url = `/v1/mirror/secrets/${path}`;
  const answer = await peers.handOn(order, { method: "PUT", url, headers, body, id: request.id });
  return "failure" in answer ? answer.failure : answer;
};

const addResolveRoute = (app: KeyswitchServer, options: MirrorRouteOptions): void => {
  const { set, metrics, device } = options;
  const { role, puller } = set;
  const decide = async (
    request: FastifyRequest,
    { path, keep }: ResolveBody,
  ): Promise<Failure | HandedOn | undefined> => {
    const order = role.lease.lastOrder();
    if (order?.role !== "mirror") return NOT_A_MIRROR;
    // By what both hold now.
    await puller.pull();
    const divergence = puller.diverged().find((one) => one.path === path);
    if (divergence === undefined) {
      return { code: "SECRET_NOT_FOUND", message: "the token holds no diverged copy at this path" };
    }
    if (keep === "there") return keepThere(options, order, path);
    const answer = await keepHere(options, request, order, divergence);
    if ("kind" in answer) return failureOf(answer);
    return isHandedOn(answer) && answer.status < 300 ? undefined : answer;
  };
  app.post(
    "/v1/mirror/resolve",
    { ...writeRoute("resolve"), schema: { body: ResolveBody, response: { 200: ResolvedBody, ...failures } } },
    async (request, reply) => {
      const { path, keep } = request.body;
      const audit = startWriteAudit(request, metrics, "resolve");
      const failed = await decide(request, request.body);
      if (failed === undefined) {
        audit({ path, outcome: `kept-${keep}` });
        await puller.pull();
        return { device, path, kept: keep, diverged: puller.diverged().length };
      }
      if (isHandedOn(failed)) {
        audit({ path, outcome: "handed-on" });
        return sendHandedOn(reply, failed);
      }
      audit({ path, outcome: failed.code });
      return sendFailure(reply, failed);
    },
  );
};

const addResolutionRoute = (app: KeyswitchServer, { set, metrics, device }: MirrorRouteOptions): void => {
  app.put(
    "/v1/mirror/secrets/*",
    {
      ...writeRoute("resolution"),
      schema: {
        params: Type.Object({ "*": Type.String() }),
        body: ResolutionBody,
        response: { 200: Type.Union([WriteBody, DeleteBody]), ...failures },
      },
    },
    async (request, reply) => {
      const path = checkedWritePath(request);
      const { data, metadata = {}, stamp, replaces } = request.body;
      const audit = startWriteAudit(request, metrics, "resolution");
      if (data !== null) {
        refuseFaults(keyFaults("body.data", data));
        refuseOversize(data);
      }
      const values = data === null ? null : fromBase64Map(data);
      const result = await set.role.resolve(path, { data: values, metadata, stamp, replaces });
      audit({ path, ...auditedChange(result) });
      const done: FastifyReply = reply;
      if (result.kind === "deleted") {
        return done.send({ path, outcome: "deleted", checksum: result.before, device });
      }
      if (result.kind !== "written") return sendFailure(reply, failureOf(result));
      const { outcome, checksum, keys, version } = result;
      return done.send({ path, outcome, checksum, keys, version, device });
    },
  );
};
