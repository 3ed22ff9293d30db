// SPDX-License-Identifier: Apache-2.0
// Tests that rates of one webhook and of two are compared within a round, as what else the machine does changes from one to the next.
import t from "tap";
import { summed } from "../limited-replicas.ts";

const round = (perSecond: number, webhookPercent = 20) => ({ perSecond, webhookPercent, agentPercent: 15 });

t.test("the ratio is that of a round, also where the machine is half as fast in another", async (t) => {
  const turns = [
    { first: round(190), both: round(400, 40), second: round(210) },
    { first: round(100), both: round(200, 38), second: round(100) },
    { first: round(200), both: round(300, 39), second: round(200) },
  ];
  t.match(summed(turns), {
    kind: "limited",
    percent: 20,
    one: 200,
    two: 300,
    times: 2,
    webhookPercent: { one: 20, two: 39 },
    agentPercent: { one: 15, two: 15 },
  });
});
