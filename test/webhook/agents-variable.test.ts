// SPDX-License-Identifier: Apache-2.0
// Tests how AGENTS names sets of HSMs beside agents with an address of their own.
import t from "tap";
import { parseAgents } from "../../server/webhook/config.ts";

t.test("a set is told by dns+ before its scheme", async (t) => {
  const list = "a=https://a:1, s=dns+https://hsm.keyswitch.svc:8444, h=dns+http://localhost:2";
  t.same(parseAgents(list), {
    faults: [],
    endpoints: [
      { name: "a", origin: "https://a:1" },
      { name: "s", origin: "https://hsm.keyswitch.svc:8444", isSet: true },
      { name: "h", origin: "http://localhost:2", isSet: true },
    ],
  });
});

const rows: [address: string, message: string][] = [
  ["dns+http://hsm.keyswitch.svc:8444", "must use https://; http:// is accepted on loopback alone"],
  ["dns+ftp://hsm:1", "must be an https:// address"],
  ["dns+hsm:1", "must be an https:// address"],
  ["dns+dns+https://hsm:1", "must be an https:// address"],
  ["dns+https://hsm:1/x", "must be scheme, host and port alone"],
  ["dns+https://u:hunter2@hsm:1", "must not hold credentials; AGENT_TOKEN_FILE is the place for them"],
];
for (const [address, message] of rows) {
  t.test(`${address} is refused`, async (t) => {
    t.same(parseAgents(`s=${address}`), { endpoints: [], faults: [`entry 1 (s) ${message}`] });
  });
}
