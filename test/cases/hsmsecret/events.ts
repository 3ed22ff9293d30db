// SPDX-License-Identifier: Apache-2.0
// Tests the webhook's events as `kubectl describe hsmsecret` shows them.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { eventually } from "../../../scripts/local/eventually.ts";
import type { Case } from "../case.ts";

const Event = Type.Object({
  type: Type.String(),
  reason: Type.String(),
  involvedObject: Type.Object({ kind: Type.String(), name: Type.String() }),
});

export const cases: readonly Case[] = [
  {
    title: "the webhook posts what went wrong as an event of the HSMSecret",
    run: async (scene) => {
      await scene.apply("HSMSecret", "absent", {});
      await scene.settled("absent", "False ObjectNotFound", undefined);
      const isTold = (object: unknown): boolean => {
        if (!Value.Check(Event, object)) return false;
        const { type, reason, involvedObject }: Static<typeof Event> = object;
        return (
          type === "Warning" &&
          reason === "ObjectNotFound" &&
          involvedObject.kind === "HSMSecret" &&
          involvedObject.name === "absent"
        );
      };
      await eventually("the event is there", async () => (await scene.list("Event")).some(isTold), {
        seconds: scene.seconds,
      });
    },
  },
];
