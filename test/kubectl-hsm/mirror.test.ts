// SPDX-License-Identifier: Apache-2.0
// Tests `kubectl hsm mirror status|diff|resolve|adopt` on the agents of a set.
import { join } from "node:path";
import t from "tap";
import { mirrorScene } from "../agent/mirror/mirror-scene.ts";
import { SET, type SetAgent } from "../agent/role/set-agent.ts";
import { run, startAgent } from "./fixture.ts";

t.setTimeout(590_000);

const runAt = (agent: SetAgent, args: readonly string[], file = "write") =>
  run(["mirror", ...args], {
    env: { KEYSWITCH_SERVER: agent.url, KEYSWITCH_TOKEN_FILE: join(agent.tokens.root, file) },
  });

t.test("what is diverged is shown without its values, and decided", async (t) => {
  const { find, order, orderAll, pull, put, read } = await mirrorScene(t);
  const [a, b] = [find("a"), find("b")];
  b.store.put("own/one", { user: "of b", pass: "of b too" });
  b.store.put("own/two", { key: "of b" });
  await order("a");
  await put("a", "own/two", "of a");
  t.match(await runAt(b, ["adopt", "--set", "nothing"]), { code: 2, stderr: /NAMESPACE\/NAME/ });
  t.match(await runAt(b, ["adopt", "--set", SET], "read"), { code: 4 });
  t.match(await runAt(b, ["adopt", "--set", SET]), { code: 0, stdout: `b is a member of ${SET}, epoch 0\n` });
  t.match(await runAt(b, ["adopt", "--set", "shop/other"]), { code: 5, stderr: /belongs to the set/ });
  t.match(await runAt(b, ["diff"]), { code: 0, stdout: /^b holds nothing/ });
  await orderAll("a");
  await pull("b");
  const status = await runAt(b, ["status"], "read");
  t.match(status, { code: 0, stdout: /^role: {6}mirror of a, for 30 s more$/m });
  t.match(status.stdout, /^diverged: {2}2 \(kubectl hsm mirror diff\)$/m);
  t.match((await runAt(a, ["status"])).stdout, /^role: {6}primary, for 30 s more$/m);
  const diff = await runAt(b, ["diff"], "read");
  t.match(diff.stdout, /^own\/one +pass,user \(12 bytes, 0\.1\) +nothing$/m);
  t.match(diff.stdout, /^own\/two +key \(4 bytes, 0\.1\) +key \(4 bytes, 1\.1\)$/m);
  t.notMatch(diff.stdout, "of b");
  t.match(await runAt(b, ["resolve", "own/one"]), { code: 2, stderr: /--keep is missing/ });
  t.match(await runAt(b, ["resolve", "own/one", "--keep", "here"]), { code: 2, stderr: /--yes/ });
  t.match(await runAt(b, ["resolve", "own/one", "--keep", "c", "-y"]), {
    code: 2,
    stderr: /must be here \(b\)/,
  });
  const kept = await runAt(b, ["resolve", "own/one", "--keep", "here", "-y"]);
  t.match(kept, { code: 0, stdout: "own/one is as b has it; 1 diverged still\n" });
  t.match(await a.ask("GET", "/v1/secrets/own/one"), { status: 200 });
  t.match(await runAt(b, ["resolve", "own/two", "--keep", "a", "-y"]), {
    code: 0,
    stdout: "own/two is as a has it; nothing is diverged any more\n",
  });
  t.equal(await read("b", "own/two"), "of a");
  t.match(await runAt(b, ["resolve", "own/two", "--keep", "a", "-y"]), {
    code: 7,
    stderr: /no diverged copy/,
  });
});

t.test("an agent of no set says so", async (t) => {
  const { run: runAlone } = await startAgent(t);
  t.match(await runAlone(["mirror", "status"]), { code: 8, stderr: /no such route/ });
});
