// SPDX-License-Identifier: Apache-2.0
// Tests the order of operations in the child: reads at once unless their path is being written, all others in turn.
import t from "tap";
import { Operations } from "../../../../server/agent/pkcs11/child/operations.ts";
import type { Attached } from "../../../../server/agent/pkcs11/child/session.ts";

const ABSENT = { kind: "absent" } as const;
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test("reads and writes", async (t) => {
  const done: string[] = [];
  const begun: string[] = [];
  const ends: PromiseWithResolvers<typeof ABSENT>[] = [];
  const work = (what: string) => async (): Promise<typeof ABSENT> => {
    begun.push(what);
    const end = Promise.withResolvers<typeof ABSENT>();
    ends.push(end);
    return end.promise;
  };
  const operations = new Operations({ quirks: { cache: "live" } } as Attached, {
    read: () => ABSENT,
    list: work("list"),
    refresh: work("refresh"),
    writer: {
      change: work("change"),
      batch: work("batch"),
      look: () => ABSENT,
      tidy: work("tidy"),
      undo: work("undo"),
      recover: work("recover"),
      repair: work("repair"),
    },
  });
  const ask = (name: string, operation: Parameters<Operations["perform"]>[0]): Promise<unknown> =>
    operations.perform(operation).then(
      () => done.push(name),
      () => done.push(`${name} failed`),
    );

  void ask("tidy a", { type: "tidy", path: "a", remove: [] });
  void ask("list", { type: "list", prefix: "" });
  void ask("recover", { type: "recover" });
  await soon();
  t.same(begun, ["tidy"]);
  void ask("read a", { type: "read", path: "a" });
  await ask("read b", { type: "read", path: "b" });
  t.same(done, ["read b"], "a read waits for a write of its own path alone");
  ends[0]?.reject(new Error("the module failed"));
  await soon();
  t.same(begun, ["tidy", "list"], "a failure is its own");
  t.same(done, ["read b", "tidy a failed"], "and a read of its path has come after what was asked before");
  ends[1]?.resolve(ABSENT);
  await soon();
  void ask("another read a", { type: "read", path: "a" });
  await soon();
  t.same(done.slice(2), ["list", "another read a"], "which holds up none that comes later");
  ends[2]?.resolve(ABSENT);
  await soon();
  t.same(done.slice(4), ["recover", "read a"]);
});
