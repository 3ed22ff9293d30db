// SPDX-License-Identifier: Apache-2.0
// Tests If-Match and If-None-Match of PUT, PATCH and DELETE: what they are compared with, and malformed ones.
import { randomBytes } from "node:crypto";
import t from "tap";
import { checksum } from "../../../hooks/checksum.ts";
import { type Ask, b64, writableAgent } from "../writable-agent.ts";

const url = "/v1/secrets/secrets/a/db";
const [first, second] = [randomBytes(9), randomBytes(9)];

const tag = `"${checksum([["user", first]])}"`;
const conditions: [header: string, value: string, status: number, sentence: string][] = [
  ["if-match", tag, 200, "the tag"],
  ["if-match", ` "sha256:0" ,, ${tag} `, 200, "one of several, with empty elements between"],
  ["if-match", `"a,b", ${tag}`, 200, "a comma within a tag"],
  ["if-match", "*", 200, "any secret"],
  ["if-match", '"sha256:0"', 412, "another tag"],
  ["if-match", `W/${tag}`, 412, "a weak tag never matches"],
  ["if-match", `W/"sha256:0", ${tag}`, 200, "but does not stand in the way of a strong one"],
  ["if-match", '""', 412, "the empty tag"],
  ["if-match", "", 400, "no tag at all"],
  ["if-match", " , ", 400, "empty elements alone"],
  ["if-match", tag.slice(1, -1), 400, "no quotes"],
  ["if-match", `${tag}x`, 400, "something behind the tag"],
  ["if-match", `${tag} ${tag}`, 400, "no comma"],
  ["if-match", `*, ${tag}`, 400, "the asterisk in a list"],
  ["if-match", `w/${tag}`, 400, "a small w"],
  ["if-match", '"', 400, "half a tag"],
  ["if-match", `"a b"`, 400, "a blank within a tag"],
  ["if-none-match", "*", 412, "none at all"],
  ["if-none-match", tag, 412, "not this one"],
  ["if-none-match", `W/${tag}`, 412, "not this one, compared weakly"],
  ["if-none-match", '"sha256:0"', 200, "not another one"],
  ["if-none-match", "sha256:0", 400, "no quotes"],
];
t.test("conditions", async (t) => {
  const agent = writableAgent(t);
  for (const [header, value, status, sentence] of conditions) {
    for (const ask of [
      { method: "PUT", url, body: { data: { user: b64(second) } } },
      { method: "PATCH", url, body: { data: { user: b64(second) } } },
      { method: "DELETE", url },
      { method: "DELETE", url: `${url}?key=user` },
    ] satisfies Ask[]) {
      agent.store.remove("secrets/a/db");
      agent.store.put("secrets/a/db", { user: first });
      const before = await agent.held();
      const answer = await agent.ask({ ...ask, headers: { [header]: value } });
      t.equal(answer.statusCode, status, `${ask.method} with ${header}: ${value}: ${sentence}`);
      if (status === 200) t.notSame(await agent.held(), before);
      else t.same(await agent.held(), before, "nothing changed");
      if (status === 400) {
        t.match(answer.json(), { code: "INVALID_REQUEST", details: [{ field: `headers.${header}` }] });
      }
      if (status === 412) t.match(answer.json(), { code: "PRECONDITION_FAILED" });
    }
  }
});

t.test("of two writers who have read the same, one gets 412", async (t) => {
  const { ask, store } = writableAgent(t);
  store.put("secrets/a/db", { user: first });
  const answers = await Promise.all(
    ["one", "two"].map((value) =>
      ask({ method: "PUT", url, body: { data: { user: b64(value) } }, headers: { "if-match": tag } }),
    ),
  );
  t.same(answers.map(({ statusCode }) => statusCode).sort(), [200, 412]);
});
