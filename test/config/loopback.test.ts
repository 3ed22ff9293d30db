// SPDX-License-Identifier: Apache-2.0
// Tests which hosts count as loopback.
import t from "tap";
import { isLoopback } from "../../server/config/loopback.ts";

const rows: [host: string, expected: boolean, sentence: string][] = [
  ["127.0.0.1", true, "the usual address is loopback"],
  ["127.255.3.4", true, "all of 127.0.0.0/8 is loopback"],
  ["::1", true, "IPv6's loopback is loopback"],
  ["[::1]", true, "so it is in brackets"],
  ["0:0:0:0:0:0:0:1", true, "and written out"],
  ["localhost", true, "localhost is loopback"],
  ["LocalHost", true, "in any case"],
  ["0.0.0.0", false, "every address is not loopback"],
  ["::", false, "every IPv6 address is not loopback"],
  ["128.0.0.1", false, "a neighbour of 127.0.0.0/8 is not"],
  ["127.0.0.1.example.org", false, "a name that starts like an address is not"],
  ["localhost.example.org", false, "a name that starts with localhost is not"],
  ["127.1", false, "a short form is not taken for an address"],
  ["", false, "nothing is not"],
];
for (const [host, expected, sentence] of rows) {
  t.test(`${sentence}: ${JSON.stringify(host)}`, async (t) => t.equal(isLoopback(host), expected));
}
