// SPDX-License-Identifier: Apache-2.0
// Tests a gap in a room's timeline with a simulated homeserver: how far it is read, and what stops it.
import t from "tap";
import type { MatrixAnswer, MatrixFault, MatrixRequest } from "../../server/matrix/http.ts";
import { RequestFailed } from "../../server/matrix/request-failed.ts";
import { readTimelineGap } from "../../server/matrix/timeline-gap.ts";

const BOUNDS = { room: "!a:x", from: "p0", to: "s1" };

const read = async (answers: (page: number) => MatrixAnswer) => {
  const asked: MatrixRequest[] = [];
  const requests = {
    request: async (request: MatrixRequest) => {
      asked.push(request);
      return answers(asked.length);
    },
  };
  const gap = await readTimelineGap(requests, BOUNDS).catch((error: unknown) => error);
  return { gap, asked };
};

const page = (chunk: unknown[], end?: string): MatrixAnswer => ({
  ok: true,
  status: 200,
  body: { chunk, ...(end !== undefined && { end }) },
});

t.test("pages are read until the last sync's end, and come out with the oldest first", async (t) => {
  const { gap, asked } = await read((number) => (number === 1 ? page([4, 3], "p1") : page([2, 1])));
  t.strictSame(gap, { events: [1, 2, 3, 4], whole: true });
  t.match(asked, [
    { path: "/_matrix/client/v3/rooms/!a%3Ax/messages", query: { dir: "b", from: "p0", to: "s1" } },
    { query: { dir: "b", from: "p1", to: "s1" } },
  ]);
});

t.test("a gap without an end is read for a while only", async (t) => {
  const { gap, asked } = await read((number) => page([number], `p${number}`));
  t.match(gap, { events: [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], whole: false });
  t.equal(asked.length, 10);
});

const refused = (status: number): MatrixFault => ({
  ok: false,
  kind: "matrix",
  status,
  errcode: "M_UNKNOWN",
  softLogout: false,
});
const timeout: MatrixFault = { ok: false, kind: "timeout", what: "did not answer in time" };
const oneRoom: [string, MatrixAnswer][] = [
  ["refuses the room", refused(403)],
  ["fails at the room", refused(500)],
  ["does not find it in time", timeout],
  ["answers in another shape", { ok: true, status: 200, body: {} }],
];
for (const [what, answer] of oneRoom) {
  t.test(`a homeserver that ${what} does not stop the sync, and what was read before is kept`, async (t) => {
    const { gap } = await read((number) => (number === 1 ? page([2, 1], "p1") : answer));
    t.strictSame(gap, { events: [1, 2], whole: false });
  });
}

const all: [string, MatrixFault][] = [
  ["is gone", { ok: false, kind: "unreachable", what: "refused the connection" }],
  ["wants to be left alone", refused(429)],
  ["refuses the token", refused(401)],
];
for (const [what, answer] of all) {
  t.test(`of a homeserver that ${what} the whole sync comes again`, async (t) => {
    const { gap } = await read(() => answer);
    t.ok(gap instanceof RequestFailed);
  });
}
