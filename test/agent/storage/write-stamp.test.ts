// SPDX-License-Identifier: Apache-2.0
// Tests the stamp of a write, in a set and outside one, and how it lies in the labels of a secret.
import t from "tap";
import {
  nextStamp,
  type Origin,
  relate,
  type Stamp,
  stampOf,
  stampOfWrite,
  withStamp,
} from "../../../server/agent/storage/stamp.ts";

const stamp = (epoch: number, version: number, ...history: [number, number][]): Stamp => ({
  epoch,
  version,
  history,
});

type Row = [says: string, current: Stamp | undefined, origin: Origin | undefined, floor: number, next: Stamp];

const rows: Row[] = [
  ["the first write outside a set", undefined, undefined, 0, stamp(0, 1)],
  ["one more outside a set", stamp(0, 4), undefined, 4, stamp(0, 5)],
  [
    "one outside the set of before keeps what it knew",
    stamp(3, 4, [1, 2]),
    undefined,
    4,
    stamp(3, 5, [1, 2]),
  ],
  ["one after a write in vain", stamp(0, 4), undefined, 7, stamp(0, 8)],
  ["the first in a set", undefined, { epoch: 2 }, 0, stamp(2, 1)],
  ["over a secret from before the set", stamp(0, 4), { epoch: 1 }, 4, stamp(1, 5, [0, 4])],
  ["over one of the same epoch", stamp(2, 4, [1, 3]), { epoch: 2 }, 4, stamp(2, 5, [1, 3])],
  ["over one of an earlier epoch", stamp(2, 4, [1, 3]), { epoch: 5 }, 4, stamp(5, 5, [1, 3], [2, 4])],
  [
    "over a deletion",
    undefined,
    { epoch: 3, replaces: [stamp(2, 9, [1, 3])] },
    0,
    stamp(3, 10, [1, 3], [2, 9]),
  ],
  [
    "over a secret and what somebody decided against",
    stamp(2, 4, [1, 3]),
    { epoch: 3, replaces: [stamp(1, 8)] },
    4,
    stamp(3, 9, [1, 8], [2, 4]),
  ],
  ["after a write in vain, in a set", stamp(2, 4), { epoch: 2 }, 11, stamp(2, 12)],
];

for (const [says, current, origin, floor, next] of rows) {
  t.test(says, async (t) => {
    t.same(stampOfWrite(current, origin, floor), next);
    for (const replaced of [...(current ? [current] : []), ...(origin?.replaces ?? [])]) {
      t.equal(relate(next, replaced), "ahead", "it knows of what it replaces");
    }
    const stored = withStamp({ description: "d", labels: { team: "shop", "sync.epoch": "99" } }, next);
    t.same(stampOf(next.version, stored), next, "the labels say it");
    t.equal(stored.labels?.team, "shop");
  });
}

t.test("a secret outside any set has no label for it", async (t) => {
  t.same(withStamp({ description: "d" }, stamp(0, 3)), { description: "d" });
});

t.test("the oldest epochs are forgotten, and no other", async (t) => {
  let last = stamp(0, 1);
  for (let epoch = 1; epoch <= 30; epoch += 1) last = nextStamp(epoch, [last]);
  t.equal(last.history.length, 16);
  t.same(last.history.at(-1), [29, 30]);
  t.ok((withStamp({}, last).labels?.["sync.history"] ?? "").length <= 256, "a label takes no more");
});

for (const text of ["", "-1", "1e3", "9".repeat(17), "x"]) {
  t.test(`a label that another program has made ${JSON.stringify(text)} counts for nothing`, async (t) => {
    const labels = { "sync.epoch": text, "sync.history": `${text},1.2` };
    t.same(stampOf(3, { labels }), stamp(0, 3, [1, 2]));
  });
}
