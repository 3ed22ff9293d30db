// SPDX-License-Identifier: Apache-2.0
// Tests the commands as people run them: `npm start` handles signals, and no process is left behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { eventually } from "../../scripts/local/eventually.ts";
import { kubectlWith } from "../../scripts/local/kubectl.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** `npm start` without npm, and what it has printed so far. */
const start = (env: NodeJS.ProcessEnv = process.env) => {
  const child = spawn(process.execPath, ["scripts/start.ts"], {
    cwd: root,
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
  });
  const shows = (what: RegExp) =>
    eventually(`the screen shows ${what}`, async () => screen.match(what) ?? undefined, {
      // The whole start, with the bundles, or a failover: on a machine that does much else.
      seconds: 180,
      seen: () => screen,
    });
  return { child, shows };
};

/** The processes that `child` has started. Linux. */
const childrenOf = (child: ChildProcess): string[] =>
  readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(/\s+/).filter(Boolean);

const isGone = (pid: string): boolean => !readdirSync("/proc").includes(pid);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  t.test(`npm start: the prompt's commands work, and ${signal} ends everything with 0`, async (t) => {
    const { child, shows } = start();
    t.teardown(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    const [, kubeconfig = ""] = await shows(/KUBECONFIG=(\S+)/);
    await shows(/keyswitch> /);
    child.stdin.write("put secrets/default/a key=value\n");
    await shows(/secrets\/default\/a holds key/);
    child.stdin.write("nonsense\n");
    await shows(/keyswitch> +put PATH KEY=VALUE/);
    child.stdin.write("put a/../b key=value\nagent start\n");
    await shows(/a\/\.\.\/b can't be a path/);
    await shows(/the agent runs already/);
    child.stdin.write("stop web\n");
    await shows(/web is switching off…/);
    await shows(/\(edited\) web is off: 0 desired, 0 ready, 0 available\./);
    const kubectl = kubectlWith(kubeconfig);
    t.match(
      await kubectl(["get", "toggle", "web", "-n", "demo", "-o", "jsonpath={.spec}"]),
      /"requestedBy":"@you:local"/,
    );
    const manifest = {
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMSecret",
      metadata: { name: "a" },
      spec: {},
    };
    await kubectl(["apply", "-f", "-"], JSON.stringify(manifest));
    t.match(
      await kubectl(["wait", "hsmsecret/a", "--for=condition=Ready", "--timeout=60s"]),
      /condition met/,
    );
    const children = childrenOf(child);
    t.ok(children.length >= 2, "agent and webhook are processes");
    const commands = children.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0"));
    const isBundled = (file: string) => /\/keyswitch-\w+\/product\/server\/main\.js$/.test(file);
    t.ok(
      commands.some((command) => command.some(isBundled)),
      "which run what the image has",
    );
    child.kill(signal);
    t.same(await ended, [0, null]);
    t.notOk(existsSync(dirname(kubeconfig)), "its folder is gone");
    await eventually("its processes are gone", async () => children.every(isGone));
  });
}

t.test("npm start: two HSMs are a store that survives a killed agent and an unplugged HSM", async (t) => {
  const { child, shows } = start();
  t.teardown(() => child.kill());
  const [, kubeconfig = ""] = await shows(/KUBECONFIG=(\S+)/);
  const pods = () => kubectlWith(kubeconfig)(["get", "pods", "-n", "keyswitch"]);
  await shows(/pair: discovery has found HSM-A on node-a/);
  await shows(/pair: HSM-A is the primary of epoch 1/);
  await shows(/pair: Mirrored is True: All members hold what HSM-A holds/);
  t.match(await pods(), /pair-hsm-a\S+ +1\/1 +Running/);
  child.stdin.write("device put secrets/demo/one key=1\nagent stop a\n");
  await shows(/secrets\/demo\/one in the set holds key/);
  await shows(/agent a: killed/);
  t.match(await pods(), /pair-hsm-a\S+ +0\/1 +Running/);
  await shows(
    /pair: the primary HSM-A can't be reached: mirrors answer reads, writes wait; after [\d:]+ UTC/,
  );
  child.stdin.write("device put secrets/demo/one key=2\nagent stop a\nagent stop c\n");
  await shows(/the set did not take secrets\/demo\/one: node-b answered 503 NO_LEASE/);
  await shows(/the agent of node-a does not run/);
  await shows(/keyswitch> +put PATH KEY=VALUE/);
  await shows(/pair: HSM-B is the primary of epoch 2/);
  child.stdin.write("agent start a\n");
  await shows(/pair: Mirrored is True: All members hold what HSM-B holds/);
  child.stdin.write("device put secrets/demo/two key=2\n");
  await shows(/secrets\/demo\/two in the set holds key/);
  child.stdin.write("device unplug a\ndevice unplug a\n");
  await shows(/pair: HSM-A is gone from node-a/);
  await shows(/pair: Mirrored is False: .*HSM-A: its token can't be read/);
  await shows(/no HSM is plugged into node-a/);
  child.stdin.write("device plug a\n");
  await shows(/pair: HSM-A is back on node-a/);
});

t.test("npm start: Ctrl-C while it starts leaves no process and no file", async (t) => {
  const folder = t.testdir({});
  const { child, shows } = start({ ...process.env, TMPDIR: folder });
  t.teardown(() => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  // From here on its folder holds a PIN.
  await shows(/token: /);
  t.match(readdirSync(folder).join(), /keyswitch-/);
  const children = childrenOf(child);
  child.kill("SIGINT");
  t.same(await ended, [130, null]);
  // What scripts/credentials.sh has there goes as that ends.
  await eventually("its files are gone", async () => readdirSync(folder).length === 0);
  await eventually("its processes are gone", async () => children.every(isGone));
});

t.test("npm start: its processes end with it even if it is killed", async (t) => {
  const { child, shows } = start();
  t.teardown(() => child.kill("SIGKILL"));
  const [, kubeconfig = ""] = await shows(/KUBECONFIG=(\S+)/);
  t.teardown(() => rmSync(dirname(kubeconfig), { recursive: true }));
  const children = childrenOf(child);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  await eventually("its processes are gone", async () => children.every(isGone));
  t.pass("they are");
});

t.test("npm start: an option that it does not know is refused with the usage", async (t) => {
  const child = spawn(process.execPath, ["scripts/start.ts", "--onec"], { cwd: root });
  let screen = "";
  child.stdout.on("data", (text) => {
    screen += String(text);
  });
  // Not "exit": what it said last comes after that.
  t.same(await once(child, "close"), [2, null]);
  t.match(screen, /--onec/);
  t.match(screen, /usage: npm start/);
});
