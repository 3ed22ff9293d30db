// SPDX-License-Identifier: Apache-2.0
// Tests that a marked value which goes through every path is found in the Secret alone, and PIN and bearer tokens nowhere.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import t from "tap";
import { Agent, request } from "undici";
import { eventually } from "../../scripts/local/eventually.ts";
import { plainData, readyOf, secretOf, statusOf } from "../../scripts/local/hsmsecret-view.ts";
import { type Stack, startStack } from "../../scripts/local/stack.ts";

const canary = `canary${randomBytes(12).toString("hex")}`;
const NAMESPACE = "canary";

/** The shapes in which a value could show: as it is, in base64 at each offset, in hex. */
const shapesOf = (value: string): string[] => [
  value,
  ...[0, 1, 2].map((offset) =>
    Buffer.from(`${"x".repeat(offset)}${value}`)
      .toString("base64")
      .slice(offset === 0 ? 0 : 4, -4),
  ),
  Buffer.from(value).toString("hex"),
];

/** What everybody can see: everything said, apart from Secrets. */
const said: string[] = [];

const apply = (stack: Stack, name: string, spec: object) =>
  stack.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({
      apiVersion: "hsm.j5t.io/v1alpha1",
      kind: "HSMSecret",
      metadata: { name, namespace: NAMESPACE },
      spec: { syncInterval: 5, ...spec },
    }),
  );

const becomes = (stack: Stack, name: string, ready: string) => {
  let last = "";
  return eventually(
    `${name} becomes ${ready}`,
    async () => {
      last = readyOf(await statusOf(stack.kubectl, NAMESPACE, name));
      return last === ready;
    },
    { seen: () => `It is ${last}.` },
  );
};

t.test("a value is found in its Secret and nowhere else", async (t) => {
  const stack = await startStack({ agentEnv: { LOG_LEVEL: "trace" }, webhookEnv: { LOG_LEVEL: "trace" } });
  t.teardown(() => stack.close());
  const { kubectl, token } = stack;
  const path = (name: string) => `secrets/${NAMESPACE}/${name}`;
  await kubectl(["create", "namespace", NAMESPACE]);

  await t.test("every outcome of a sync, with the value on the token", async () => {
    await token.put(path("good"), { password: canary, other: `${canary}-2` });
    await token.put(path("big"), { password: canary + "x".repeat(1024 * 1024) });
    await apply(stack, "good", {});
    await becomes(stack, "good", "True Synced");
    await token.put(path("good"), { password: canary, third: `${canary}-3` });
    await eventually("the change arrives", async () =>
      Object.hasOwn(plainData(await secretOf(kubectl, NAMESPACE, "good")) ?? {}, "third"),
    );
    await apply(stack, "mapped", { hsmPath: path("good"), data: [{ key: "a", hsmKey: canary.slice(0, 3) }] });
    await becomes(stack, "mapped", "False InvalidKey");
    await apply(stack, "typed", { hsmPath: path("good"), secretType: "kubernetes.io/tls" });
    await becomes(stack, "typed", "False InvalidKey");
    await apply(stack, "big", {});
    await becomes(stack, "big", "False TooLarge");
    await apply(stack, "forbidden", { hsmPath: "secrets/other/x" });
    await becomes(stack, "forbidden", "False Forbidden");
    await apply(stack, "absent", {});
    await becomes(stack, "absent", "False ObjectNotFound");
    await kubectl([
      "create",
      "-n",
      NAMESPACE,
      "secret",
      "generic",
      "foreign",
      `--from-literal=key=${canary}`,
    ]);
    await apply(stack, "foreign", { hsmPath: path("good") });
    await becomes(stack, "foreign", "False Conflict");
    const edited = { stringData: { password: `${canary}-edited`, added: `${canary}-added` } };
    await kubectl(["patch", "-n", NAMESPACE, "secret", "good", "--type=merge", "-p", JSON.stringify(edited)]);
    await eventually("the edit is put right", async () => {
      const data = plainData(await secretOf(kubectl, NAMESPACE, "good"));
      return data?.password === canary && data.added === undefined;
    });
  });

  await t.test("an agent that is killed and comes back", async () => {
    await stack.stop("agent", "SIGKILL");
    await kubectl(["annotate", "-n", NAMESPACE, "hsmsecret", "good", "hsm.j5t.io/force-sync=1"]);
    await becomes(stack, "good", "False HSMUnavailable");
    await stack.start("agent");
    await becomes(stack, "good", "True Synced");
  });

  await t.test("bodies, paths and headers that are wrong", async (t) => {
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    t.teardown(() => dispatcher.close());
    const send = async (url: string, options: object) => {
      const { statusCode, headers, body } = await request(url, { dispatcher, ...options });
      said.push(JSON.stringify(headers), await body.text());
      return statusCode;
    };
    const hook = `${stack.urls.webhook}/hooks/hsmsecret/sync`;
    const json = { "content-type": "application/json" };
    const bearer = await stack.bearer("webhook");
    const wrong = { ...json, authorization: `Bearer ${canary}` };
    const right = { ...json, authorization: `Bearer ${bearer}` };
    const body = JSON.stringify({
      parent: { metadata: { name: canary }, spec: { syncInterval: canary } },
      children: { "Secret.v1": { "x/y": { data: { password: [canary] } } } },
    });
    t.equal(await send(hook, { method: "POST", headers: wrong, body }), 401);
    t.equal(await send(hook, { method: "POST", headers: right, body }), 400);
    t.equal(await send(hook, { method: "POST", headers: right, body: `{"${canary}` }), 400);
    t.equal(
      await send(hook, { method: "POST", headers: { ...right, "content-type": "text/plain" }, body }),
      415,
    );
    const large = JSON.stringify(canary.repeat(400_000));
    // The server hangs up on it, which the client may notice before it has read the answer.
    await send(hook, { method: "POST", headers: right, body: large }).catch(() => 413);
    const read = { authorization: `Bearer ${await stack.bearer("agent")}` };
    const agent = stack.urls.agent;
    t.equal(await send(`${agent}/v1/secrets/${path("good")}`, { headers: wrong }), 401);
    t.equal(await send(`${agent}/v1/secrets/a%20${canary}`, { headers: read }), 400);
    t.equal(await send(`${agent}/v1/secrets/${path("absent")}`, { headers: read }), 404);
    t.equal(await send(`${agent}/v1/secrets?prefix=secrets/`, { headers: read }), 200);
    t.equal(await send(`${agent}/v1/info`, { headers: read }), 200);
  });

  await t.test("everything that anybody can see", async (t) => {
    for (const role of ["agent", "webhook"] as const) {
      said.push((await stack.call(role, "/metrics")).body, (await stack.call(role, "/readyz")).body);
    }
    said.push(
      await kubectl(["get", "hsmsecrets,events,compositecontrollers,configmaps", "-A", "-o", "yaml"]),
    );
    said.push(await kubectl(["describe", "hsmsecrets", "-n", NAMESPACE]));
    said.push(await kubectl(["describe", "secrets", "good", "-n", NAMESPACE]));
    const everything = [...said, ...stack.logs()];
    t.ok(stack.logs().length > 20, "there are logs");
    for (const shape of shapesOf(canary)) {
      const found = everything.find((text) => text.includes(shape)) ?? "";
      const around = found.slice(Math.max(0, found.indexOf(shape) - 200)).slice(0, 400);
      if (found !== "") t.comment(around.replaceAll(shape, "(here)"));
      t.notOk(
        everything.some((text) => text.includes(shape)),
        `not as ${shape.replace(canary, "itself")}`,
      );
    }
    const secret = JSON.stringify(await secretOf(kubectl, NAMESPACE, "good"));
    t.ok(secret.includes(shapesOf(canary)[1] ?? "?"), "but in its Secret");
    const pin = readFileSync(token.pinFile, "utf8").trim();
    const credentials = { pin, hook: await stack.bearer("webhook"), read: await stack.bearer("agent") };
    for (const [name, value] of Object.entries(credentials)) {
      t.ok(value.length >= 8);
      // Not within a longer number: a PIN has eight digits, and the logs are full of times.
      const alone = new RegExp(`(?<![0-9])${value}(?![0-9])`);
      t.notOk(
        everything.some((text) => alone.test(text)),
        `the ${name} is nowhere`,
      );
    }
  });
});
