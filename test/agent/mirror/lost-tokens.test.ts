// SPDX-License-Identifier: Apache-2.0
// Tests sets on SoftHSM2 tokens whose content goes, is put back from before, or is all that fits, and writers that are away.
import { cpSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { SET, setProcesses } from "./mirror-processes.ts";

t.setTimeout(590_000);

/** Where SoftHSM2 keeps the objects of a token. */
const filesOf = ({ token }: { token: { env: NodeJS.ProcessEnv; pinFile: string } }): string =>
  join(dirname(token.pinFile), "tokens");

t.test("a primary's token that comes back from before loses nothing that a mirror has", async (t) => {
  // One that is away has not seen the deletion, which so is not forgotten.
  const { find, orderAll, order, pull } = await setProcesses(t, ["a", "b"], ["c"]);
  const [a, b] = [find("a"), find("b")];
  await orderAll("a");
  await a.put("x", "1");
  await a.put("gone", "1");
  await a.kill();
  const kept = `${filesOf(a.fixture)}-before`;
  cpSync(filesOf(a.fixture), kept, { recursive: true });
  await a.start();
  await orderAll("a");
  await a.put("x", "2");
  await a.put("y", "1");
  await a.ask("DELETE", "/v1/secrets/gone");
  await pull("b", "a");
  await a.kill();
  rmSync(filesOf(a.fixture), { recursive: true, maxRetries: 5 });
  cpSync(kept, filesOf(a.fixture), { recursive: true });
  await a.start();
  t.equal(await a.read("x"), "1", "the token is the one of before");
  await orderAll("a");
  t.match(await pull("b", "a"), { mirror: { diverged: 3 } });
  t.same([await b.read("x"), await b.read("y"), await b.read("gone")], ["2", "1", undefined]);
  // As the webhook does when it sees which of the two is further.
  t.match(await order("b", "b", { epoch: 2, found: false }), { status: 200 });
  await orderAll("b", { epoch: 2, found: false });
  t.match(await pull("a", "b", 2), { mirror: { diverged: 0 } });
  t.same([await a.read("x"), await a.read("y"), await a.read("gone")], ["2", "1", undefined]);
});

t.test(
  "a token that comes back empty takes no writes, empties no mirror, and joins again as one",
  async (t) => {
    const { find, orderAll, order, pull } = await setProcesses(t);
    const [a, b] = [find("a"), find("b")];
    const blank = `${filesOf(a.fixture)}-blank`;
    cpSync(filesOf(a.fixture), blank, { recursive: true });
    await orderAll("a");
    await a.put("x", "1");
    await pull("b", "a");
    await a.kill();
    rmSync(filesOf(a.fixture), { recursive: true, maxRetries: 5 });
    cpSync(blank, filesOf(a.fixture), { recursive: true });
    await a.start();
    t.match(await a.told(), { set: null, secrets: 0, lease: null });
    t.match(await order("a", "a", { found: false }), { status: 409, json: { code: "NOT_A_MEMBER" } });
    t.match(await a.put("x", "2"), { status: 503, json: { code: "NO_LEASE" } });
    const asked = { set: SET, epoch: 1, primary: "a" };
    t.match(await b.ask("POST", "/v1/mirror/pull", asked, "reader"), { json: { code: "OTHER_SET" } });
    t.equal(await b.read("x"), "1");
    await orderAll("b", { epoch: 2, found: false });
    t.match(await pull("a", "b", 2), { mirror: { diverged: 0 } });
    t.equal(await a.read("x"), "1");
  },
);

t.test("a full primary says so, and so does a primary whose mirror is", async (t) => {
  const { find, orderAll, pull } = await setProcesses(t);
  const [a, b] = [find("a"), find("b")];
  await b.kill();
  await b.start({ PKCS11_MAX_OBJECTS: "5" });
  await orderAll("a");
  // One object is the membership, and one stays free.
  for (const path of ["one", "two", "three"]) {
    t.match(await a.put(path, path), { status: 201 });
    await pull("b", "a");
    await pull("b", "a");
  }
  t.match(await a.put("four", "4"), {
    status: 507,
    json: { code: "MIRROR_FULL", message: /^the mirror b / },
  });
  t.match(await a.ask("DELETE", "/v1/secrets/three"), { status: 200 });
  await a.kill();
  await a.start({ PKCS11_MAX_OBJECTS: "5" });
  await b.kill();
  await b.start();
  await orderAll("a");
  await pull("b", "a");
  t.match(await a.put("three", "3"), { status: 201 });
  t.match(await a.put("four", "4"), { status: 507, json: { code: "TOKEN_FULL" } });
  await pull("b", "a");
  t.match(await b.told(), { secrets: 3, mirror: { diverged: 0 } });
});
