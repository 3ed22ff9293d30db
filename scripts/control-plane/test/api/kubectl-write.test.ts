// SPDX-License-Identifier: Apache-2.0
// Tests the writes of real kubectl: create, apply, edit, patch, replace, label, scale, wait, diff, and the rest.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { stringify } from "yaml";
import { type JsonObject, listOrEmpty, valueAt } from "../../api/json.ts";
import { deployment, deployments, gadget, gadgets } from "./gadget-definition.ts";
import { type Ran, runServer } from "./running-server.ts";

const ok = (t: { equal: (a: unknown, b: unknown, c: string) => boolean }, ran: Ran) =>
  t.equal(ran.code, 0, ran.stderr);
const asYaml = (...objects: JsonObject[]) => objects.map((object) => stringify(object)).join("---\n");

t.test("every create command that makes a kind of ours", async (t) => {
  const { kubectl, read } = await runServer(t);
  const commands = [
    "create namespace made",
    "create secret generic s --from-literal=a=b -n made",
    "create configmap c --from-literal=a=b -n made",
    "create serviceaccount a -n made",
    "create deployment d --image=nginx:1.2 --port=80 --replicas=0 -n made",
    "create service clusterip d --tcp=80:8080 -n made",
    "create role r --verb=get,list --resource=pods -n made",
    "create rolebinding r --role=r --serviceaccount=made:a -n made",
    "create clusterrole cr --verb=get --resource=pods",
    "create clusterrolebinding crb --clusterrole=cr --user=u",
    "create poddisruptionbudget p --selector=app=d --min-available=1 -n made",
    "create priorityclass high --value=5",
  ];
  for (const command of commands) t.match(await kubectl(command), { code: 0, stdout: /created/ }, command);
  t.match(await read("/api/v1/namespaces/made/secrets/s"), { type: "Opaque", data: { a: "Yg==" } });
  t.match(await read("/apis/apps/v1/namespaces/made/deployments/d"), {
    spec: {
      replicas: 0,
      template: {
        spec: {
          containers: [
            {
              image: "nginx:1.2",
              imagePullPolicy: "IfNotPresent",
              ports: [{ containerPort: 80, protocol: "TCP" }],
            },
          ],
        },
      },
    },
  });
  t.match(await read("/api/v1/namespaces/made/services/d"), {
    spec: { ports: [{ name: "80-8080", port: 80, targetPort: 8080 }], selector: { app: "d" } },
  });
  t.match(await read("/apis/rbac.authorization.k8s.io/v1/namespaces/made/roles/r"), {
    rules: [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }],
  });
  t.match(await read("/apis/policy/v1/namespaces/made/poddisruptionbudgets/p"), {
    spec: { minAvailable: 1, selector: { matchLabels: { app: "d" } } },
  });
});

t.test("apply on the client's side", async (t) => {
  const { kubectl, read } = await runServer(t);
  const first = asYaml(gadget("one"), deployment("d", { env: [{ name: "A", value: "1" }] }));
  t.match(await kubectl("apply -f -", { input: first }), {
    code: 0,
    stdout: /gadget.example.org\/one created\ndeployment.apps\/d created/,
  });
  t.match(await kubectl("apply -f -", { input: first }), {
    stdout: /one unchanged\ndeployment.apps\/d unchanged/,
  });
  const second = asYaml(
    gadget("one", { colour: "green" }),
    deployment("d", { env: [{ name: "B", value: "2" }], image: "y:1" }),
  );
  t.match(await kubectl("diff -f -", { input: second }), {
    code: 1,
    stdout: /- {2}colour: red\n\+ {2}colour: green/,
  });
  t.match(await kubectl("apply -f - --dry-run=server", { input: second }), {
    stdout: /configured \(server dry run\)/,
  });
  t.match(await read(`${gadgets}/one`), { spec: { colour: "red" } }, "a dry run stores nothing");
  t.match(await kubectl("apply -f -", { input: second }), {
    code: 0,
    stdout: /one configured\ndeployment.apps\/d configured/,
  });
  t.match(await read(`${gadgets}/one`), { spec: { colour: "green", size: 3 }, metadata: { generation: 2 } });
  const changed = await read(`${deployments}/d`);
  t.match(valueAt(changed, ["spec", "template", "spec", "containers"]), [
    { image: "y:1", imagePullPolicy: "Always" },
  ]);
  t.same(JSON.stringify(changed.spec).includes('"A"'), false, "a variable that was dropped is gone");
  const recreate = asYaml(deployment("d", { image: "y:1" }, { strategy: { type: "Recreate" } }));
  ok(t, await kubectl("apply -f -", { input: recreate }));
  t.same(valueAt(await read(`${deployments}/d`), ["spec", "strategy"]), { type: "Recreate" });
  const typo = asYaml(gadget("one", { colour: "red", sice: 1 }));
  t.match(await kubectl("apply -f -", { input: typo }), {
    code: 1,
    stderr: /strict decoding error: unknown field "spec.sice"/,
  });
  t.match(await kubectl("apply --validate=warn -f -", { input: typo }), {
    code: 0,
    stderr: /Warning: unknown field "spec.sice"/,
  });
  t.match(await kubectl("apply -f -", { input: asYaml(gadget("two", { colour: "blue" })) }), {
    code: 1,
    stderr:
      /The Gadget "two" is invalid: spec.colour: Unsupported value: "blue": supported values: "red", "green"/,
  });
});

t.test("apply of a v1 List", async (t) => {
  const { kubectl, read } = await runServer(t);
  const list = (...items: JsonObject[]) => ({ apiVersion: "v1", kind: "List", items });
  t.match(await kubectl("apply -f -", { input: list(gadget("one"), deployment("d")) }), {
    code: 0,
    stdout: /one created\ndeployment.apps\/d created/,
  });
  t.match(await read(`${gadgets}/one`), { spec: { size: 3 } });
  const typo = await kubectl("apply -f -", { input: list(gadget("one", { colour: "red", sice: 1 })) });
  t.match(typo, { code: 1, stderr: /unknown field "spec.sice"/ }, "the server still validates the items");
});

t.test("apply of a kustomization", async (t) => {
  const { kubectl, directory, read } = await runServer(t);
  await writeFile(join(directory, "gadget.yaml"), asYaml(gadget("one")));
  await writeFile(join(directory, "kustomization.yaml"), "namePrefix: my-\nresources: [gadget.yaml]\n");
  ok(t, await kubectl("apply -k ."));
  t.match(await read(`${gadgets}/my-one`), { spec: { colour: "red" } });
  t.match(await kubectl("delete -k ."), { code: 0, stdout: /"my-one" deleted/ });
});

t.test("apply on the server's side", async (t) => {
  const { kubectl, read } = await runServer(t);
  const one = asYaml(gadget("one", { colour: "red", size: 2 }));
  t.match(await kubectl("apply --server-side --field-manager=a -f -", { input: one }), {
    code: 0,
    stdout: /serverside-applied/,
  });
  const other = asYaml(gadget("one", { colour: "red", size: 4 }));
  t.match(await kubectl("apply --server-side --field-manager=b -f -", { input: other }), {
    code: 1,
    stderr: /Apply failed with 1 conflict: conflict with "a": .spec.size/,
  });
  ok(t, await kubectl("apply --server-side --field-manager=b --force-conflicts -f -", { input: other }));
  t.match(await read(`${gadgets}/one`), { spec: { size: 4 } });
  ok(t, await kubectl("apply -f -", { input: asYaml(deployment("d")) }));
  ok(t, await kubectl("apply --server-side -f -", { input: asYaml(deployment("d", { image: "z" })) }));
  const migrated = await read(`${deployments}/d`);
  const managers = listOrEmpty(valueAt(migrated, ["metadata", "managedFields"]));
  t.same(
    managers.map((entry) => valueAt(entry, ["manager"])).sort(), // by their times, which are whole seconds
    ["kubectl", "kubectl-last-applied"],
    "kubectl took over from its client-side self without force",
  );
  t.match(
    valueAt(migrated, ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"]),
    /"image":"z"/,
  );
});

t.test("edit, patch, replace, label, annotate, set, scale", async (t) => {
  const { kubectl, read } = await runServer(t);
  ok(t, await kubectl("create -f -", { input: asYaml(gadget("one"), deployment("d")) }));
  const edit = (script: string) =>
    kubectl("edit gadget one -n demo", { env: { KUBE_EDITOR: `sed -i ${script}` } });
  t.match(await edit("s/size:.*/size:\\ 5/"), { code: 0, stdout: /one edited/ });
  t.match(await edit("s/size:.*/size:\\ 50/"), { code: 1, stderr: /is invalid/ });
  t.match(await read(`${gadgets}/one`), { spec: { size: 5 } });
  t.match(
    await kubectl("edit deploy d -n demo", { env: { KUBE_EDITOR: "sed -i s/image:.*/image:\\ e:1/" } }),
    { code: 0 },
  );
  t.match(await read(`${deployments}/d`), {
    spec: { template: { spec: { containers: [{ image: "e:1" }] } } },
  });

  const commands: [string, RegExp][] = [
    [`patch gadget one -n demo --type=json -p '[{"op":"replace","path":"/spec/size","value":4}]'`, /patched/],
    [`patch gadget one -n demo --type=merge -p '{"spec":{"tags":["a"]}}'`, /patched/],
    [`patch gadget one -n demo --subresource=status --type=merge -p '{"status":{"count":7}}'`, /patched/],
    [
      `patch deploy d -n demo -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"}]}}}}'`,
      /patched/,
    ],
    [
      `patch deploy d -n demo -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}'`,
      /patched/,
    ],
    ["set image deploy/d x=new:2 -n demo", /image updated/],
    ["set env deploy/d A=1 -n demo", /env updated/],
    ["label gadget one -n demo tier=gold", /labeled/],
    ["annotate gadget one -n demo note=x", /annotated/],
    ["annotate gadget one -n demo note-", /annotated/],
    ["scale deploy d -n demo --replicas=4", /scaled/],
    ["scale gadget one -n demo --replicas=6", /scaled/],
    ["scale deploy d -n demo --current-replicas=4 --replicas=5", /scaled/],
  ];
  for (const [command, stdout] of commands) t.match(await kubectl(command), { code: 0, stdout }, command);
  t.match(await read(`${gadgets}/one`), {
    metadata: { labels: { tier: "gold" } },
    spec: { size: 4, tags: ["a"], count: 6 },
    status: { count: 7 },
  });
  const changed = await read(`${deployments}/d`);
  t.match(changed, { spec: { replicas: 5 } });
  t.match(valueAt(changed, ["spec", "template", "spec", "containers"]), [
    { name: "x", image: "new:2", env: [{ name: "A", value: "1" }] },
  ]);

  const refused: [string, RegExp][] = [
    [`patch gadget one -n demo -p '{"spec":{"size":2}}'`, /strategic-merge-patch\+json is not supported/],
    [
      `patch gadget one -n demo --type=json -p '[{"op":"test","path":"/spec/size","value":9}]'`,
      /TEST_OPERATION_FAILED/,
    ],
    ["scale deploy d -n demo --current-replicas=4 --replicas=1", /Expected replicas to be 4, was 5/],
  ];
  for (const [command, stderr] of refused) t.match(await kubectl(command), { code: 1, stderr }, command);

  const current = await read(`${gadgets}/one`);
  const replaced = { ...current, spec: { colour: "green", size: 2 } };
  t.match(await kubectl("replace -f -", { input: replaced }), { code: 0, stdout: /replaced/ });
  t.match(await kubectl("replace -f -", { input: { ...replaced, spec: { colour: "red" } } }), {
    code: 1,
    stderr: /the object has been modified; please apply your changes to the latest version and try again/,
  });
});

t.test("wait for a condition, a value and a deletion", async (t) => {
  const { kubectl, call } = await runServer(t);
  ok(t, await kubectl("create -f -", { input: asYaml(gadget("one")) }));
  t.match(await kubectl("wait --for=condition=Established crd/gadgets.example.org --timeout=60s"), {
    code: 0,
  });
  const waits = [
    kubectl("wait --for=condition=Ready gadget/one -n demo --timeout=60s"),
    kubectl("wait --for=jsonpath={.status.count}=3 gadget/one -n demo --timeout=60s"),
  ];
  const status = { count: 3, conditions: [{ type: "Ready", status: "True" }] };
  await call("PATCH", `${gadgets}/one/status`, { status }, "application/merge-patch+json");
  for (const wait of waits) t.match(await wait, { code: 0, stdout: /condition met/ });
  const gone = kubectl("wait --for=delete gadget/one -n demo --timeout=60s");
  ok(t, await kubectl("delete gadget one -n demo"));
  t.match(await gone, { code: 0 });
});
