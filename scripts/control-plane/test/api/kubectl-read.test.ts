// SPDX-License-Identifier: Apache-2.0
// Tests the reads of real kubectl: tables, formats, selectors, describe, explain, discovery, watches.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t from "tap";
import { createNotifier } from "../../../local/notifier.ts";
import { deployment, deployments, gadget, gadgets } from "./gadget-definition.ts";
import { runServer } from "./running-server.ts";

const server = await runServer(t);
const { kubectl, call } = server;
const made = await call("POST", gadgets, gadget("one", { colour: "red" }, { labels: { tier: "gold" } }));
await call("POST", gadgets, gadget("two", { colour: "green", size: 5 }));
await call("PUT", `${gadgets}/one/status`, {
  ...gadget("one"),
  status: {
    count: 2,
    conditions: [
      { type: "Other", status: "False" },
      { type: "Ready", status: "True" },
    ],
  },
});
await call("POST", deployments, deployment("web", { image: "nginx:1" }, { replicas: 2 }));
await call("POST", "/api/v1/namespaces/demo/secrets", {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "word" },
  stringData: { password: "x".repeat(9), user: "me" },
});
await call("POST", "/api/v1/namespaces/demo/services", {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
});
await call("POST", "/api/v1/namespaces/demo/events", {
  apiVersion: "v1",
  kind: "Event",
  metadata: { name: "one.1", namespace: "demo" },
  involvedObject: {
    apiVersion: "example.org/v1",
    kind: "Gadget",
    name: "one",
    namespace: "demo",
    uid: String(Object(made.body.metadata).uid),
  },
  reason: "Polished",
  message: "the gadget shines",
  type: "Normal",
  count: 1,
  firstTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
  lastTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
});

const rows: [sentence: string, args: string, stdout: RegExp][] = [
  [
    "a table has the declared columns",
    "get gadgets -n demo",
    /^NAME +SIZE +READY +AGE\none +3 +True +\d+s\ntwo +5 +\d+s\n$/,
  ],
  [
    "-o wide adds those of lower priority",
    "get gd -n demo -o wide",
    /^NAME +SIZE +READY +COLOUR +AGE\none +3 +True +red/,
  ],
  ["-A adds the namespace", "get gadgets -A", /^NAMESPACE +NAME .*\ndemo +one/],
  ["a short name and an object's name", "get gd two -n demo --no-headers", /^two +5/],
  ["-o name", "get gadgets -n demo -o name", /^gadget.example.org\/one\ngadget.example.org\/two\n$/],
  ["-o json", "get gadget one -n demo -o json", /"kind": "Gadget"/],
  ["-o yaml", "get gadget one -n demo -o yaml", /kind: Gadget\nmetadata:/],
  ["-o jsonpath", "get gadget one -n demo -o jsonpath={.spec.size}", /^3$/],
  ["-o custom-columns", "get gadgets -n demo -o custom-columns=C:.spec.colour", /^C\nred\ngreen\n$/],
  ["a label selector", "get gadgets -n demo -l tier=gold -o name", /^gadget.example.org\/one\n$/],
  ["a negative label selector", "get gadgets -n demo -l '!tier' -o name", /^gadget.example.org\/two\n$/],
  ["a set selector", "get gadgets -n demo -l 'tier in (gold,silver)' -o name", /one\n$/],
  [
    "a field selector on the name",
    "get gadgets -A --field-selector metadata.name=two -o name",
    /^gadget.example.org\/two\n$/,
  ],
  [
    "a field selector on the namespace",
    "get gadgets -A --field-selector metadata.namespace!=demo -o name",
    /^$/,
  ],
  ["secrets show type and count", "get secrets -n demo", /^NAME +TYPE +DATA +AGE\nword +Opaque +2 /],
  [
    "deployments show their readiness",
    "get deploy -n demo",
    /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/2 +0 +0 /,
  ],
  [
    "deployments show images when wide",
    "get deploy -n demo -o wide",
    /CONTAINERS +IMAGES +SELECTOR\nweb .* x +nginx:1 +app=web/,
  ],
  [
    "services show address and ports",
    "get svc -n demo",
    /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nweb +ClusterIP +10\.\S+ +<none> +80\/TCP/,
  ],
  ["namespaces show their phase", "get ns", /default +Active[\s\S]*demo +Active[\s\S]*kube-system +Active/],
  [
    "events show what they are about",
    "get events -n demo",
    /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\d+s +Normal +Polished +gadget\/one +the gadget shines/,
  ],
  [
    "events can be selected by object",
    "get events -n demo --field-selector involvedObject.name=two -o name",
    /^$/,
  ],
  ["kubectl events", "events -n demo --for gadget/one", /Polished/],
  ["definitions show their age", "get crd", /^NAME +CREATED AT\ngadgets.example.org +20/],
  [
    "all shows categories",
    "get all -n demo",
    /service\/web[\s\S]*deployment.apps\/web[\s\S]*gadget.example.org\/one/,
  ],
  [
    "the scale subresource",
    "get gadget one -n demo --subresource=scale -o jsonpath={.spec.replicas}/{.status.replicas}",
    /^1\/2$/,
  ],
  ["the raw path", "get --raw /apis/example.org/v1/namespaces/demo/gadgets/two", /"name":"two"/],
  ["version", "version", /Server Version: v1.32/],
  [
    "api-resources lists built-in and custom kinds",
    "api-resources",
    /secrets +v1 +true +Secret[\s\S]*deployments +deploy +apps\/v1[\s\S]*gadgets +gd +example.org\/v1 +true +Gadget/,
  ],
  ["api-versions", "api-versions", /apps\/v1[\s\S]*metacontroller.k8s.io\/v1alpha1/],
  [
    "explain a custom kind",
    "explain gadget",
    /KIND: +Gadget[\s\S]*A gadget is only there for tests.[\s\S]*spec\t<Object>/,
  ],
  ["explain a field", "explain gadget.spec.size", /FIELD: size <integer>[\s\S]*How big it is./],
  [
    "explain a built-in field",
    "explain deployment.spec.template.spec.containers",
    /containers <\[\]Container>[\s\S]*imagePullPolicy\t<string>/,
  ],
  ["explain recursively", "explain deployment.spec --recursive", /rollingUpdate/],
  [
    "describe a custom object with its events",
    "describe gadget one -n demo",
    /Name: +one[\s\S]*Spec:[\s\S]*Colour: +red[\s\S]*Polished[\s\S]*the gadget shines/,
  ],
  [
    "describe a Secret shows sizes alone",
    "describe secret word -n demo",
    /password: +9 bytes\nuser: +2 bytes|user: +2 bytes\npassword: +9 bytes/,
  ],
  [
    "describe a Deployment",
    "describe deploy web -n demo",
    /Replicas: +2 desired[\s\S]*StrategyType: +RollingUpdate[\s\S]*Image: +nginx:1/,
  ],
  ["describe a Namespace", "describe ns demo", /Status: +Active/],
];

t.test("reads", async (t) => {
  for (const [sentence, args, stdout] of rows) {
    const ran = await kubectl(args);
    t.equal(ran.code, 0, `${sentence}: ${ran.stderr}`);
    t.match(ran.stdout, stdout, sentence);
  }
  t.notMatch((await kubectl("describe secret word -n demo")).stdout, "x".repeat(9));
});

t.test("reads that fail", async (t) => {
  const failures: [string, string, RegExp][] = [
    [
      "an object that is missing",
      "get gadget nine -n demo",
      /Error from server \(NotFound\): gadgets.example.org "nine" not found/,
    ],
    ["a kind that is missing", "get gizmos", /the server doesn't have a resource type "gizmos"/],
    [
      "a field that can't be selected by",
      "get gadgets -A --field-selector spec.size=3",
      /field label not supported: spec.size/,
    ],
  ];
  for (const [sentence, args, stderr] of failures) {
    const ran = await kubectl(args);
    t.equal(ran.code, 1, sentence);
    t.match(ran.stderr, stderr, sentence);
  }
});

t.test("get -w prints what happens", async (t) => {
  const child = spawn("kubectl", ["get", "gadgets", "-n", "demo", "-w", "--no-headers"], {
    env: {
      PATH: process.env.PATH,
      HOME: server.directory,
      KUBECONFIG: join(server.directory, "kubeconfig"),
    },
  });
  t.teardown(() => child.kill());
  const lines: string[] = [];
  const notifier = createNotifier();
  // kubectl writes a line in several pieces.
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    notifier.notify();
  });
  const seen = async (pattern: RegExp) => {
    const isShown = () => lines.some((line) => pattern.test(line));
    await notifier.until(`a line with ${pattern}`, isShown, { seen: () => lines.join("\n") });
    t.pass(`saw ${pattern}`);
  };
  await seen(/^two +5/);
  await call("PATCH", `${gadgets}/two`, { spec: { size: 4 } }, "application/merge-patch+json");
  await seen(/^two +4/);
  await call("POST", gadgets, gadget("three"));
  await seen(/^three +3/);
});
