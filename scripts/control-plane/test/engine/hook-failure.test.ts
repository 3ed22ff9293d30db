// SPDX-License-Identifier: Apache-2.0
// Tests a hook that fails, rejects or is unreachable: nothing changes, the parent gets Metacontroller's event, and the sync is
// retried.
import { randomBytes } from "node:crypto";
import t from "tap";
import { valueAt } from "../../api/json.ts";
import {
  desiredSecret,
  eventsOf,
  hsmSecret,
  hsmSecretController,
  hsmSecrets,
  namespace,
  relatedSecret,
  startCluster,
} from "./cluster.ts";
import { type Answer, type Recorded, startHookServer } from "./hook-server.ts";

const canary = randomBytes(12).toString("base64");
const good: Answer = ({ path, body }) => {
  if (path.endsWith("customize")) return { body: relatedSecret(body) };
  const answer = { status: { good: true }, children: [desiredSecret(body, { canary })] };
  return { body: path.endsWith("finalize") ? { ...answer, finalized: true } : answer };
};
/** Answers sync badly, customize well. */
const bad =
  (answer: Answer): Answer =>
  (request) =>
    request.path.endsWith("customize") ? good(request) : answer(request);
const isSync = ({ path }: Recorded) => path === "/hsm/sync";

type Fault = {
  what: string;
  answer: Answer;
  message: RegExp;
  spec?: { [field: string]: string };
  /** Whether the answer is quoted, whatever it holds. */
  quoted?: boolean;
};
const child = (body: Recorded["body"]) => desiredSecret(body, { canary });
const faults: Fault[] = [
  {
    what: "answers 500 with Secret data in the body",
    answer: ({ body }) => ({ status: 500, body: { message: canary, ...child(body) } }),
    message:
      /^sync hook failed for HSMSecret demo\/app: sync hook failed \(version=v2\): unsupported status code: 500 body: {"message":.*}$/,
    quoted: true,
  },
  {
    what: "answers 204",
    answer: () => ({ status: 204 }),
    message: /unsupported status code: 204 body: $/,
  },
  {
    what: "answers no JSON",
    answer: () => ({ text: `{"status": "${canary}` }),
    message: /can't unmarshal webhookResponse \(version: v2, type: sync\): /,
  },
  {
    what: "answers an unknown field",
    answer: ({ body }) => ({ body: { status: {}, children: [child(body)], events: [canary] } }),
    message:
      /strict validation failed for v2 webhookResponse \(type: sync, mode: strict\): unknown field "events"$/,
  },
  {
    what: "answers a field of the wrong type",
    answer: () => ({ body: { status: {}, children: canary } }),
    message: /children/,
  },
  {
    what: "answers a child without a kind",
    answer: () => ({ body: { status: {}, children: [{ metadata: { name: "app" }, data: { canary } }] } }),
    message: /: Object 'Kind' is missing in '{"metadata":{"name":"app"},"data":{"canary":".*"}}'$/,
    quoted: true,
  },
  {
    what: "takes longer than its timeout",
    answer: () => new Promise((resolve) => setTimeout(() => resolve({}), 5_000).unref()),
    message: /http error: Post "http:.*\/hsm\/sync": context deadline exceeded/,
    spec: { timeout: "500ms" },
  },
];

for (const { what, answer, message, spec = {}, quoted = false } of faults) {
  t.test(`a hook that ${what} changes nothing, and is asked again`, async (t) => {
    const cluster = await startCluster(t);
    const hook = await startHookServer(good);
    t.teardown(hook.close);
    const controller = hsmSecretController(hook);
    const webhook = { url: hook.url("/hsm/sync"), ...spec };
    const hooks = { ...Object(valueAt(controller, ["spec", "hooks"])), sync: { version: "v2", webhook } };
    await cluster.apply(namespace("demo"), hsmSecrets, {
      ...controller,
      spec: { ...Object(controller.spec), hooks },
    });
    const engine = await cluster.engine();
    await cluster.apply(hsmSecret("app"));
    await engine.idle();

    hook.answer(bad(answer));
    const from = cluster.syncs.length;
    await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "again=1"]);
    const failed = await cluster.synced(({ outcome }) => outcome === "failed", from);
    t.match(failed.message, message);
    t.equal(failed.message?.includes(canary), quoted);
    // The retry is not brought on by anybody.
    const second = cluster.syncs.indexOf(failed) + 1;
    await cluster.synced(({ outcome }) => outcome === "failed", second);

    const secret = await cluster.read(["secret", "app", "-n", "demo"]);
    t.strictSame(secret.data, { canary }, "the child is as it was");
    const parent = await cluster.read(["hsmsecret", "app", "-n", "demo"]);
    t.strictSame(parent.status, { good: true, observedGeneration: 1 }, "the status is as it was");

    hook.answer(good);
    const failures = cluster.syncs.length;
    await cluster.synced(({ outcome }) => outcome === "synced", failures);
    await engine.idle();
    const [event] = await eventsOf(cluster, "app", "SyncError");
    t.match(event, { type: "Warning", source: { component: "metacontroller" } });
    t.equal(event?.message, `Sync error: ${failed.message}`);
    t.equal(JSON.stringify(await cluster.read(["events", "-A"])).includes(canary), quoted);
  });
}

t.test("a hook that answers 429 is asked again after Retry-After, without an event", async (t) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(good);
  t.teardown(hook.close);
  await cluster.apply(namespace("demo"), hsmSecrets, hsmSecretController(hook));
  const engine = await cluster.engine();
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  /** When it was asked. */
  const asked: number[] = [];
  const from = cluster.syncs.length;
  hook.answer(
    bad((request) => {
      asked.push(performance.now());
      return asked.length === 1 ? { status: 429, headers: { "retry-after": "1" } } : good(request);
    }),
  );
  await cluster.kubectl(["annotate", "hsmsecret", "app", "-n", "demo", "again=1"]);
  const limited = await cluster.synced(({ outcome }) => outcome === "too-many-requests", from);
  t.match(limited.message, /Too many request, it will be resync after: 1$/);
  await cluster.synced(({ outcome }) => outcome === "synced", from);
  const [refused = Number.NaN, again = Number.NaN] = asked;
  t.ok(again - refused >= 990, "not before a second has passed");
  await engine.idle();
  t.strictSame(await eventsOf(cluster, "app", "SyncError"), []);
});

t.test("a parent that is deleted while the hook is down waits for it, and loses nothing", async (t) => {
  const cluster = await startCluster(t);
  const hook = await startHookServer(good);
  await cluster.apply(namespace("demo"), hsmSecrets, hsmSecretController(hook));
  const engine = await cluster.engine();
  await cluster.apply(hsmSecret("app"));
  await engine.idle();
  await hook.close();
  const from = cluster.syncs.length;
  await cluster.kubectl(["delete", "hsmsecret", "app", "-n", "demo", "--wait=false"]);
  const failed = await cluster.synced(({ outcome }) => outcome === "failed", from);
  t.match(
    failed.message,
    /^http error: Post "http:.*\/hsm\/customize": dial tcp 127.0.0.1:\d+: connect: connection refused$/,
    "its generation is new, so customize is asked first",
  );
  const parent = await cluster.read(["hsmsecret", "app", "-n", "demo"]);
  t.ok(valueAt(parent, ["metadata", "deletionTimestamp"]), "it is still there");
  t.strictSame((await cluster.read(["secret", "app", "-n", "demo"])).data, { canary });

  const again = await startHookServer(good, { port: hook.port });
  t.teardown(again.close);
  await cluster.kubectl(["wait", "--for=delete", "hsmsecret/app", "-n", "demo", "--timeout=60s"]);
  t.equal(again.requests.filter(({ path }) => path === "/hsm/finalize").length, 1);
  t.notOk(again.requests.some(isSync), "sync is not called for a parent that is going away");
});

t.test(
  "a child that the API server refuses gives an event, and the status is written all the same",
  async (t) => {
    const cluster = await startCluster(t);
    const hook = await startHookServer(
      bad(({ body }) => ({
        body: { status: { told: true }, children: [desiredSecret(body, { "not a key": canary })] },
      })),
    );
    t.teardown(hook.close);
    await cluster.apply(namespace("demo"), hsmSecrets, hsmSecretController(hook));
    await cluster.engine();
    await cluster.apply(hsmSecret("app"));
    const failed = await cluster.synced(({ outcome }) => outcome === "failed");
    t.match(
      failed.message,
      /can't reconcile children for HSMSecret demo\/app: Secret "app" is invalid: data\[not a key\]: Invalid value: "not a key"/,
    );
    t.notMatch(failed.message, canary);
    t.strictSame((await cluster.read(["hsmsecret", "app", "-n", "demo"])).status, {
      told: true,
      observedGeneration: 1,
    });
  },
);
