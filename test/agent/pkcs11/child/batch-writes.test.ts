// SPDX-License-Identifier: Apache-2.0
// Tests a batch on a token that another program writes meanwhile: a path that is not its own alone is given up, and tried again.
import t from "tap";
import { writeBatch } from "../../../../server/agent/pkcs11/child/batch-writes.ts";
import type { ReadObject } from "../../../../server/agent/pkcs11/child/module-calls.ts";
import type { WriterView } from "../../../../server/agent/pkcs11/child/object-writes.ts";
import type { Outcome } from "../../../../server/agent/pkcs11/child/write-target.ts";
import type { ChangeOperation } from "../../../../server/agent/pkcs11/messages.ts";
import { JOURNAL_APPLICATION, PACKED_APPLICATION } from "../../../../server/agent/storage/path.ts";

const objectAt = (path: string, value: string, handle: number): ReadObject => ({
  label: path,
  application: PACKED_APPLICATION,
  value: Buffer.from(value),
  handle: Buffer.from([handle]),
});

/** A token of these objects, on which `shows` decides what is listed; created objects get handles from 10 on. */
const tokenOf = (others: ReadObject[], shows: (object: ReadObject) => boolean = () => true) => {
  const objects = [...others];
  let handles = 10;
  const calls: string[] = [];
  let unlisted: Buffer[] = [];
  const lib = {
    C_CreateObject: (_: Buffer, template: { value: unknown }[]) => {
      const path = String(template[5]?.value).replace(/\0$/, "");
      const value = Buffer.isBuffer(template[6]?.value) ? template[6].value.toString() : "";
      const made = objectAt(path, value, handles);
      handles += 1;
      objects.push(made);
      calls.push(`create ${path}`);
      return made.handle;
    },
    C_FindObjectsInit: () => {
      calls.push("list");
      unlisted = objects.filter(shows).map(({ handle }) => handle);
    },
    C_FindObjects: () => unlisted.splice(0),
    C_FindObjectsFinal: () => undefined,
  };
  const view = {
    session: { lib, handle: Buffer.alloc(0) },
    pace: async () => undefined,
    made: () => undefined,
    seen: async () => undefined,
    objectsOf: (path: string) => ({
      objects: objects.filter(({ label }) => label === path),
      unread: [],
      distrusted: [],
    }),
  } as unknown as WriterView;
  return { view, objects, calls };
};

const operationOf = (path: string) => ({ type: "change", path }) as ChangeOperation;

const written = (path: string): Outcome => ({
  kind: "written",
  outcome: "created",
  before: null,
  checksum: path,
  version: 1,
  keys: [],
});

const textOf = ({ label, value }: ReadObject): string => `${label}: ${Buffer.from(value).toString()}`;

/** One object for a secret, or, `journaled`, two and a journal. */
const batchOn = (
  { view, objects, calls }: ReturnType<typeof tokenOf>,
  paths: readonly string[],
  { journaled = false } = {},
) =>
  writeBatch(
    view,
    {
      prepare: async ({ path }, upToDate, ahead) => {
        if (!upToDate) calls.push("catch up");
        calls.push(`prepare ${path} ${ahead}`);
        const object = (value: string, application = PACKED_APPLICATION) => ({
          label: path,
          application,
          value: Buffer.from(value),
        });
        const plan = {
          kind: "plan" as const,
          ...(journaled && { journal: object("journal", JOURNAL_APPLICATION) }),
          make: journaled ? [object("one"), object("two")] : [object("new")],
          remove: [],
        };
        const isEmpty = true;
        return {
          kind: "planned",
          plan,
          distrusted: [],
          isEmpty,
          outcome: written(path),
          version: 1,
          used: 0,
        };
      },
      change: async ({ path }) => {
        calls.push(`alone ${path}`);
        return written(path);
      },
      takeBack: async (made) => {
        calls.push(`take back ${made.map(textOf).join(", ")}`);
        return { kind: "refused", code: "WRITE_NOT_SHOWN", message: "" };
      },
      remove: async (made) => {
        for (const object of made) {
          calls.push(`remove ${textOf(object)}`);
          const at = objects.findIndex(({ handle }) => handle.equals(object.handle));
          objects.splice(at, 1);
        }
      },
    },
    paths.map(operationOf),
  );

t.test("all are made, and looked at once", async (t) => {
  const token = tokenOf([]);
  const { answers } = await batchOn(token, ["a", "b"]);
  t.same(answers, [written("a"), written("b")]);
  t.same(token.calls, ["catch up", "prepare a 0", "create a", "prepare b 1", "create b", "list"]);
});

t.test("one that another program has made too is removed, and is to be done again", async (t) => {
  const token = tokenOf([objectAt("b", "another's", 1)]);
  const { answers } = await batchOn(token, ["a", "b", "c"]);
  t.same(answers, [written("a"), { kind: "stale" }, written("c")]);
  t.same(token.calls.slice(-2), ["list", "remove b: new"]);
});

t.test("one that the token does not show is taken back", async (t) => {
  const token = tokenOf([], ({ label }) => label !== "a");
  const { answers } = await batchOn(token, ["a", "b"]);
  t.match(answers, [{ kind: "refused" }, { kind: "written" }]);
  t.same(token.calls.slice(-2), ["list", "take back a: new"]);
});

t.test("one whose value is another is removed", async (t) => {
  const token = tokenOf([]);
  const { objectsOf } = token.view;
  token.view.objectsOf = (path) => {
    const reading = objectsOf(path);
    if (reading === "stale") return reading;
    return { ...reading, objects: reading.objects.map((one) => ({ ...one, value: Buffer.from("x") })) };
  };
  t.same((await batchOn(token, ["a"])).answers, [{ kind: "stale" }]);
  t.equal(token.calls.at(-1), "remove a: new");
});

t.test("those with journals take each step together, and each journal goes last", async (t) => {
  const token = tokenOf([]);
  const { answers } = await batchOn(token, ["a", "b"], { journaled: true });
  t.same(answers, [written("a"), written("b")]);
  const journals = ["catch up", "prepare a 0", "create a", "prepare b 3", "create b", "list"];
  const objects = ["create a", "create a", "create b", "create b", "list"];
  t.same(token.calls, [...journals, ...objects, "remove a: journal", "remove b: journal"]);
  t.same(token.objects.map(textOf), ["a: one", "a: two", "b: one", "b: two"]);
});

t.test("a journal that the token does not show has nothing made behind it", async (t) => {
  const token = tokenOf([], ({ label }) => label !== "a");
  await batchOn(token, ["a", "b"], { journaled: true });
  t.equal(token.calls.filter((call) => call === "create a").length, 1);
  t.ok(token.calls.includes("remove a: journal"));
});

for (const hides of ["journal", "two"]) {
  t.test(`what is not shown beside the journals of others is written by itself: ${hides}`, async (t) => {
    const token = tokenOf([], (object) => textOf(object) !== `a: ${hides}`);
    const { answers } = await batchOn(token, ["a", "b"], { journaled: true });
    t.same(answers, [written("a"), written("b")]);
    t.same(token.calls.slice(-2), ["remove b: journal", "alone a"], "once their journals are gone");
    t.same(token.objects.map(textOf), ["b: one", "b: two"]);
  });
}

for (const paths of [
  ["a", "a/b"],
  ["a/b", "a"],
] as const) {
  t.test(`${paths.join(" and ")} are made one after the other, as they can meet in a label`, async (t) => {
    const token = tokenOf([]);
    const { answers } = await batchOn(token, ["x", ...paths, "ab"], { journaled: true });
    t.same(answers, ["x", ...paths, "ab"].map(written));
    const ended = token.calls.indexOf(`remove ${paths[0]}: journal`);
    t.ok(ended > 0 && ended < token.calls.indexOf(`prepare ${paths[1]} 0`));
    t.ok(token.calls.includes("prepare ab 3"), "what only begins like it is no neighbour");
  });
}

for (const [look, removed] of [
  [1, ["b: journal"]],
  [2, ["b: two", "b: one", "b: journal"]],
] as const) {
  t.test(`what another program makes before look ${look} gives up the path, its journal last`, async (t) => {
    const token = tokenOf([]);
    let looks = 0;
    token.view.seen = async () => {
      looks += 1;
      if (looks === look) token.objects.push(objectAt("b", "another's", 1));
    };
    const { answers } = await batchOn(token, ["a", "b"], { journaled: true });
    t.same(answers, [written("a"), { kind: "stale" }]);
    const removals = token.calls.filter((call) => call.startsWith("remove b"));
    t.same(
      removals,
      removed.map((one) => `remove ${one}`),
    );
    t.same(token.objects.map(textOf).toSorted(), ["a: one", "a: two", "b: another's"]);
  });
}
