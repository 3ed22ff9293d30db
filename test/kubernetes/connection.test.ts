// SPDX-License-Identifier: Apache-2.0
// Tests that a response of the API server reads the same however it is chunked, and no faster than it is consumed.
import fc from "fast-check";
import t from "tap";
import { jsonOf } from "../../server/json.ts";
import { lines, TooLong, wholeText } from "../../server/kubernetes/connection.ts";

async function* cut(text: string, places: readonly number[]) {
  const bytes = Buffer.from(text);
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    yield bytes.subarray(from, end);
    from = end;
  }
}

const all = async (source: AsyncIterable<string>): Promise<string[]> => {
  const found: string[] = [];
  for await (const line of source) found.push(line);
  return found;
};

const line = fc.string({ unit: "binary" }).map((text) => JSON.stringify({ text }));

t.test("lines and whole texts do not depend on where they are cut", async (t) => {
  const property = fc.asyncProperty(
    fc.array(line),
    fc.array(fc.nat()),
    fc.boolean(),
    async (texts, places, ended) => {
      const text = texts.join("\n") + (ended ? "\n" : "");
      const expected = ended ? texts : texts.slice(0, -1);
      t.same(
        await all(lines(cut(text, places), 10_000, () => {})),
        expected,
        "a line that is not ended is none",
      );
      t.equal(await wholeText(cut(text, places), 100_000), Buffer.from(text).toString());
    },
  );
  await fc.assert(property, { numRuns: 50 });
});

t.test("a line, and a text, that is longer than the limit ends the reading", async (t) => {
  const isTooLong = (error: unknown) => error instanceof TooLong;
  t.ok(isTooLong(await all(lines(cut("x".repeat(11), [3]), 10, () => {})).catch((error: unknown) => error)));
  t.same(
    await all(lines(cut("x".repeat(10).concat("\n").repeat(9), [3, 30]), 10, () => {})),
    Array(9).fill("x".repeat(10)),
  );
  t.ok(isTooLong(await wholeText(cut("x".repeat(11), [3]), 10).catch((error: unknown) => error)));
  t.equal(await wholeText(cut("x".repeat(10), [3]), 10), "x".repeat(10));
});

t.test("each piece that arrives is told, and what is no JSON is undefined", async (t) => {
  let heard = 0;
  t.same(await all(lines(cut("\n\na\n", [1, 3]), 10, () => (heard += 1))), ["a"]);
  t.equal(heard, 3);
  t.same(jsonOf('{"a":1}'), { a: 1 });
  t.equal(jsonOf("{"), undefined);
});
