// SPDX-License-Identifier: Apache-2.0
// Tests deletionPolicy Delete: the data on the token are deleted first; until then everything stays and the status says why.
import t from "tap";
import type { RemovalOutcome } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec, HSMSecretStatus } from "../../../hooks/hsmsecret/schema.ts";
import { finalize, planRemoval } from "./hooks.ts";
import { base64, context, request, secret } from "./request.ts";

const data = { password: "s3cr3t" };
const at = (spec: HSMSecretSpec, rest: Parameters<typeof request>[0] = {}) =>
  request({ spec: { deletionPolicy: "Delete", ...spec }, owned: [secret(data)], finalizing: true, ...rest });

t.test("the data of the path are removed, from the named device or the first", async (t) => {
  t.same(planRemoval(at({}), context), { path: "secrets/demo/app" });
  t.same(planRemoval(at({ device: "pico" }), context), { path: "secrets/demo/app", device: "pico" });
  t.equal(planRemoval(at({ deletionPolicy: "Retain" }), context), undefined, "Retain never removes");
  t.equal(planRemoval(at({ hsmPath: "secrets/other/x" }), context), undefined, "nor may others' paths go");
});

t.test("once they are gone, the HSMSecret goes, and its Secret with it", async (t) => {
  const { response, outcome } = finalize(at({}), context, { outcome: "removed" });
  t.same(response, { finalized: true, children: [] });
  t.equal(outcome, "Finalized");
});

t.test("until then everything stays, and the status says why and how to let go", async (t) => {
  const rows: [string, RemovalOutcome | undefined, HSMSecretSpec, string, RegExp][] = [
    [
      "an agent that is down",
      { outcome: "unavailable", code: "AGENT_UNREACHABLE", message: "agent a is away." },
      {},
      "HSMUnavailable",
      /^AGENT_UNREACHABLE: agent a is away\. .*deletionPolicy to Retain/,
    ],
    [
      "an agent that refuses",
      { outcome: "refused", code: "FORBIDDEN", message: "no." },
      {},
      "WriteBackFailed",
      /^FORBIDDEN: no\. .*Retain/,
    ],
    ["a removal that was not tried", undefined, {}, "HSMUnavailable", /not tried/],
    [
      "a path that may not be written",
      undefined,
      { hsmPath: "secrets/other/x" },
      "Forbidden",
      /write: true.*Retain/,
    ],
  ];
  for (const [name, removal, spec, reason, error] of rows) {
    const { response, outcome, events } = finalize(at(spec), context, removal);
    const status = response.status as HSMSecretStatus;
    t.equal(response.finalized, false, name);
    t.same(response.children[0]?.data, base64(data), name);
    t.match(status, { lastError: error, conditions: [{ type: "Ready", status: "False", reason }] }, name);
    t.equal(outcome, reason);
    t.match(events, [{ type: "Warning", reason }]);
    t.ok((response.resyncAfterSeconds ?? 0) > 0, name);
    const again = finalize(at(spec, { status: { ...status } }), context, removal);
    t.same(again.events, [], `${name}: told once`);
    t.same(again.response, response, `${name}: the same again`);
  }
});

t.test("a Secret that is orphaned is out of danger before the data go", async (t) => {
  const metadata = { finalizers: ["orphan"] };
  const orphaning = at({}, { metadata });
  t.equal(planRemoval(orphaning, context), undefined);
  t.match(finalize(orphaning, context), { outcome: "Orphaning", response: { finalized: false } });
  const orphaned = at({}, { metadata, owned: [] });
  t.same(planRemoval(orphaned, context), { path: "secrets/demo/app" });
  t.match(finalize(orphaned, context, { outcome: "removed" }), { response: { finalized: true } });
});
