// SPDX-License-Identifier: Apache-2.0
// Tests a secret of a set that is deleted and written again once nobody knows of the deletion any more: its versions begin anew.
import t from "tap";
import type { Reading } from "../../../hooks/hsmsecret/index.ts";
import type { Standing } from "../../../hooks/hsmsecret/reading.ts";
import { believed, sync } from "./hooks.ts";
import { base64, context, found, request, secret } from "./request.ts";

const where = { ...context, agents: ["hsm"] };
const primaryOf = (epoch: number, member = "A"): Standing => ({ role: "primary", epoch, member });

type Child = { data: Record<string, string>; metadata: { annotations?: Record<string, string> } };

const follower = () => {
  let child: Child | undefined;
  let status: Record<string, unknown> = {};
  return (reading: Reading) => {
    const owned =
      child === undefined
        ? []
        : [secret({}, { annotations: child.metadata.annotations ?? {} }, { data: child.data })];
    const input = request({ owned, status });
    const { response } = sync(input, where, believed(input, where, reading));
    status = { ...response.status };
    [child] = response.children as unknown as [Child?];
    return { data: child?.data, status };
  };
};

const reading = (value: string, version: number, standing: Standing): Reading => ({
  ...found({ k: value }),
  ...{ device: "hsm", version, epoch: standing.epoch, standing },
});
const absent = (standing: Standing): Reading => ({ outcome: "absent", device: "hsm", standing });

t.test("what is written again in the epoch of the deletion is followed", async (t) => {
  const step = follower();
  t.same(step(reading("old", 5, primaryOf(2))).data, base64({ k: "old" }));
  t.same(step(absent(primaryOf(2))).data, base64({ k: "old" }), "onMissing: Retain");
  t.same(step(reading("new", 1, primaryOf(2))).data, base64({ k: "new" }));
});

t.test("what a later primary has in its place is not: it may not know of the deletion", async (t) => {
  const step = follower();
  step(reading("old", 5, primaryOf(2)));
  step(absent(primaryOf(2)));
  const { data } = step({ ...reading("older", 3, primaryOf(2)), standing: primaryOf(3, "B") } as Reading);
  t.same(data, base64({ k: "old" }));
});
