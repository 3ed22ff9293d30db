// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of labels and applications: ours, other programs', and those that earlier versions wrote with trailing
// memory.
import t from "tap";
import { readName } from "../../../../server/agent/pkcs11/child/module-calls.ts";

const PATH = "secrets/a/db";
const KEY = `${PATH}/pass`;
const own = "hsm-secrets-operator";

const rows: [what: string, label: string | Buffer, application: string | Buffer, name: object][] = [
  ["ours, packed", PATH, "keyswitch/1", { label: PATH, application: "keyswitch/1", damaged: false }],
  ["ours, a journal", PATH, "keyswitch/1/journal", { application: "keyswitch/1/journal", damaged: false }],
  ["ours, per key", KEY, own, { label: KEY, application: own, damaged: false }],
  ["of pkcs11-tool", KEY, KEY, { label: KEY, application: KEY, damaged: false }],
  ["of a later version", PATH, "keyswitch/1/set", { application: "keyswitch/1/set", damaged: false }],
  ["an application with a tail", PATH, "keyswitch/1=a\x7f", { application: "keyswitch/1", damaged: true }],
  [
    "a journal's with a tail",
    PATH,
    "keyswitch/1/journal\x01",
    { application: "keyswitch/1/journal", damaged: true },
  ],
  ["both with a tail", `${PATH}=a\x7f`, "keyswitch/1\x02", { label: PATH, damaged: true }],
  ["a label with a tail", `${PATH}\x7f\x10`, "keyswitch/1", { label: PATH, damaged: true }],
  [
    "bytes that are no text",
    Buffer.from(`${PATH}\xff\xfe`, "latin1"),
    "keyswitch/1",
    { label: PATH, damaged: true },
  ],
  ["a key with a tail", `${KEY}\x01x`, own, { label: KEY, damaged: true }],
  [
    "a key whose application has one",
    `${KEY}#!`,
    `${own}\x03`,
    { label: KEY, application: own, damaged: true },
  ],
  [
    "a key with a blank is another program's",
    "secrets/a/db/pass word",
    own,
    { label: "secrets/a/db/pass word", damaged: false },
  ],
  [
    "latin1 is no key, and shown as what it is not",
    Buffer.from("secrets/a/db/schl\xfcssel", "latin1"),
    own,
    { label: "secrets/a/db/schl\ufffdssel", application: own, damaged: false },
  ],
  [
    "nothing is left of the label",
    "\x01\x02",
    "keyswitch/1",
    { label: "\x01\x02", application: "keyswitch/1", damaged: false },
  ],
];

t.test("names", async (t) => {
  for (const [what, label, application, name] of rows) {
    t.match(readName(Buffer.from(label), Buffer.from(application)), name, what);
  }
});
