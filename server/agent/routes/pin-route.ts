// SPDX-License-Identifier: Apache-2.0
// Serves POST /v1/pin: changes the token's user PIN. Neither PIN is in any log line or response.
import type { FastifyReply } from "fastify";
import { PinBody } from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { startWriteAudit } from "./audit.ts";
import { pinFailureOf, sendFailure, type WriteRouteOptions, writeRoute } from "./write-route.ts";

/** Adds the route. */
export const addPinRoute = (app: KeyswitchServer, { store, metrics }: WriteRouteOptions): void => {
  app.post(
    "/v1/pin",
    {
      ...writeRoute("pin"),
      schema: { body: PinBody, response: { "4xx": ErrorBody, "5xx": ErrorBody } },
    },
    async (request, reply) => {
      const { currentPin, newPin } = request.body;
      const audit = startWriteAudit(request, metrics, "pin");
      const result = await store.setPin(currentPin, newPin);
      if (result.kind === "changed") {
        audit({ outcome: "changed" });
        const done: FastifyReply = reply;
        return done.code(204).send();
      }
      const failure = pinFailureOf(result);
      audit({ outcome: failure.code });
      return sendFailure(reply, failure);
    },
  );
};
