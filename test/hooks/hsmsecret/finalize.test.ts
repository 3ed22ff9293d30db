// SPDX-License-Identifier: Apache-2.0
// Tests the customize and finalize hooks, and the jitter of resyncs.
import t from "tap";
import { resyncAfter } from "../../../hooks/hsmsecret/decision.ts";
import { customize } from "../../../hooks/hsmsecret/index.ts";
import { finalize, plan } from "./hooks.ts";
import { context, request, secret } from "./request.ts";

t.test("customize asks for the Secret that the HSMSecret names", async (t) => {
  const names = (spec: object) => customize(request({ spec }).parent).relatedResources;
  t.same(names({}), [{ apiVersion: "v1", resource: "secrets", namespace: "demo", names: ["app"] }]);
  t.match(names({ secretName: "other" }), [{ names: ["other"] }]);
});

t.test("finalize lets the HSMSecret go, and its Secret with it, without asking the token", async (t) => {
  const input = request({ owned: [secret({ a: "1" })], finalizing: true });
  t.same(plan(input, context), { read: false });
  t.same(finalize(input, context).response, { finalized: true, children: [] });
});

t.test(
  "finalize keeps the Secret while the garbage collector orphans it, and ends when it has",
  async (t) => {
    const metadata = { finalizers: ["metacontroller.io/compositecontroller-hsmsecret", "orphan"] };
    const owned = [secret({ a: "1" }), secret({ b: "2" }, { name: "old" })];
    const { response } = finalize(request({ metadata, owned, finalizing: true }), context);
    t.equal(response.finalized, false);
    t.match(response.children, [
      { metadata: { name: "app" }, data: { a: "MQ==" } },
      { metadata: { name: "old" } },
    ]);
    t.same(finalize(request({ metadata, finalizing: true }), context).response, {
      finalized: true,
      children: [],
    });
  },
);

t.test("resyncs are the same for one uid, never later than asked, and spread over many", async (t) => {
  const after = Array.from({ length: 1000 }, (_, index) => resyncAfter(`uid-${index}`, 300));
  t.equal(resyncAfter("uid-1", 300), after[1]);
  t.ok(after.every((seconds) => seconds >= 240 && seconds <= 300));
  const tenths = new Set(after.map((seconds) => Math.floor((seconds - 240) / 6)));
  t.ok(tenths.size >= 10, "every tenth of the span is used");
  t.equal(resyncAfter("any", 1), 1, "never zero, which would mean never");
});
