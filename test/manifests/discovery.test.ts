// SPDX-License-Identifier: Apache-2.0
// Tests that discovery's manifests fit together: restricted but for mounts of the node and the user that the kubelet's folder takes,
// variables, Secrets, ports, policy.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { runServer } from "../../scripts/control-plane/test/api/running-server.ts";
import { imageEnv } from "../../scripts/local/image-env.ts";
import { DISCOVERY_VARIABLES, parseDiscoveryConfig } from "../../server/discovery/config.ts";
import { credentials, secretsIn } from "./credentials.ts";
import { as, containersOf, pick, rendered, root, Service, Workload, workloadsOf } from "./rendered.ts";

const manifests = rendered("manifests/discovery");
const workload = as(Workload, pick(manifests, "DaemonSet", "keyswitch-discovery"));
const { spec: pod } = workload.spec.template;
const [container] = pod.containers;
if (container === undefined) throw new Error("no container");
const env = new Map((container.env ?? []).map((entry) => [entry.name, entry]));

/** Read by Node and by the C library. */
const OF_RUNTIME = ["NODE_OPTIONS", "MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_"];

t.test("everything is rendered, and nothing else; it is not part of manifests/", async (t) => {
  t.same(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`).sort(), [
    "DaemonSet keyswitch/keyswitch-discovery",
    "NetworkPolicy keyswitch/keyswitch-discovery",
    "Service keyswitch/keyswitch-discovery",
    "ServiceAccount keyswitch/keyswitch-discovery",
  ]);
  t.notOk(rendered("manifests").some(({ metadata }) => metadata.name.includes("discovery")));
});

const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

t.test("the pod is restricted but for its user, with no token for the API server", async (t) => {
  t.equal(pod.containers.length, 1);
  t.equal(pod.initContainers, undefined);
  t.equal(pod.automountServiceAccountToken, false);
  t.match(pick(manifests, "ServiceAccount", "keyswitch-discovery"), { automountServiceAccountToken: false });
  t.same(pod.securityContext, {
    runAsNonRoot: true,
    runAsUser: 1200,
    runAsGroup: 1200,
    fsGroup: 1200,
    seccompProfile: { type: "RuntimeDefault" },
  });
  t.same(container.securityContext, { ...RESTRICTED, runAsNonRoot: false, runAsUser: 0 });
});

t.test("without a device plugin it is restricted, and differs in nothing else", async (t) => {
  const folder = t.testdir();
  symlinkSync(root, join(folder, "keyswitch"));
  writeFileSync(
    join(folder, "kustomization.yaml"),
    "resources: [keyswitch/manifests/discovery]\ncomponents: [keyswitch/manifests/examples/no-device-plugin]\n",
  );
  const other = as(Workload, pick(rendered(folder), "DaemonSet", "keyswitch-discovery"));
  const [plain] = other.spec.template.spec.containers;
  t.same(plain?.securityContext, { ...RESTRICTED, runAsNonRoot: true, runAsUser: 1200 });
  t.notMatch(JSON.stringify(other), /device-plugins|DEVICE_PLUGIN_DIR/);
  const without = (names: readonly string[]) => (one: { name: string }) => !names.includes(one.name);
  const expected = structuredClone(workload);
  const [own] = expected.spec.template.spec.containers;
  if (own === undefined) throw new Error("no container");
  own.env = (own.env ?? []).filter(without(["DEVICE_PLUGIN_DIR"]));
  own.volumeMounts = own.volumeMounts.filter(without(["device-plugins"]));
  own.securityContext = plain?.securityContext ?? {};
  expected.spec.template.spec.volumes = pod.volumes.filter(without(["device-plugins"]));
  t.same(other, expected);
});

t.test(
  "the kubelet's folder has the same path in the container, and is the one mount that is not read-only",
  async (t) => {
    const folder = "/var/lib/kubelet/device-plugins";
    t.equal(env.get("DEVICE_PLUGIN_DIR")?.value, folder);
    const mounts = container.volumeMounts.filter(({ readOnly }) => readOnly !== true);
    t.same(mounts, [{ name: "device-plugins", mountPath: folder }]);
    const volume = pod.volumes.find(({ name }) => name === "device-plugins");
    t.same(volume, { name: "device-plugins", hostPath: { path: folder, type: "Directory" } });
  },
);

t.test(
  "it sees /sys and /dev of its node read-only, and mounts nothing else that is not its own",
  async (t) => {
    const host = new Map(
      pod.volumes.flatMap(({ name, hostPath }) => (hostPath ? [[name, hostPath.path]] : [])),
    );
    t.same([...host.values()].sort(), ["/dev", "/sys", "/var/lib/kubelet/device-plugins"]);
    for (const { name, mountPath, readOnly, recursiveReadOnly } of container.volumeMounts) {
      if (name === "device-plugins") continue;
      t.equal(readOnly, true, name);
      if (!host.has(name)) continue;
      t.equal(recursiveReadOnly, "IfPossible", name);
      t.equal(mountPath, `/host${host.get(name)}`, "/dev itself has files of the runtime");
    }
    t.equal(env.get("SYSFS_ROOT")?.value, "/host/sys");
    t.equal(env.get("DEV_ROOT")?.value, "/host/dev");
  },
);

t.test("every variable is one that it knows", async (t) => {
  t.same(
    [...env.keys()].filter((name) => !Object.hasOwn(DISCOVERY_VARIABLES, name) && !OF_RUNTIME.includes(name)),
    [],
  );
  t.same(container.args, ["discovery"]);
  t.equal(container.image, "keyswitch:0.1.0");
});

t.test(
  "its configuration takes the pod's environment, with the Secrets that credentials.sh makes",
  async (t) => {
    const { code, stdout, stderr } = credentials(["--only", "discovery"]);
    t.equal(code, 0, stderr);
    const made = secretsIn(stdout);
    const folder = t.testdir({});
    for (const { name, mountPath } of container.volumeMounts) {
      const secret = pod.volumes.find((volume) => volume.name === name)?.secret;
      if (secret === undefined) continue;
      t.equal(secret.defaultMode, 0o440);
      for (const { key, path } of secret.items ?? []) {
        const file = join(folder, mountPath, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, made.get(secret.secretName)?.data.get(key) ?? "");
      }
    }
    const values = [...env.values()].map(({ name, value, valueFrom }) => {
      if (valueFrom !== undefined) return [name, `${valueFrom.fieldRef.fieldPath}`.toLowerCase()];
      return [name, name.endsWith("_FILE") ? join(folder, value ?? "") : value];
    });
    const parsed = parseDiscoveryConfig(Object.fromEntries(values));
    t.match(parsed, {
      ok: true,
      config: { nodeName: "spec.nodename", listenHost: "0.0.0.0", listenPort: 8446, devicePaths: [] },
    });
    t.ok(parsed.ok && parsed.config.tls && parsed.config.readTokenFile);
  },
);

t.test("it listens where Service, policy, probes and port say", async (t) => {
  const { spec } = as(Service, pick(manifests, "Service", "keyswitch-discovery"));
  const port = Number(env.get("LISTEN_PORT")?.value);
  t.equal(port, DISCOVERY_VARIABLES.LISTEN_PORT.default);
  t.same(container.ports, [{ name: "https", containerPort: port }]);
  t.same(spec.ports, [{ name: "https", port, targetPort: "https" }]);
  t.hasStrict(spec, { clusterIP: "None", publishNotReadyAddresses: true });
  t.hasStrict(workload.spec.template.metadata.labels, spec.selector);
  t.hasStrict(workload.spec.template.metadata.labels, workload.spec.selector.matchLabels);
  t.match(pick(manifests, "NetworkPolicy", "keyswitch-discovery"), {
    spec: {
      podSelector: { matchLabels: spec.selector },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ ports: [{ port }] }],
      egress: [],
    },
  });
  const https = (path: string) => ({ httpGet: { scheme: "HTTPS", port: "https", path } });
  t.hasStrict(container.startupProbe, https("/healthz"));
  t.hasStrict(container.livenessProbe, https("/healthz"));
  t.hasStrict(container.readinessProbe, https("/readyz"));
});

t.test("what docs/install.md has people add to their overlay adds all of it, with their image", async (t) => {
  const install = readFileSync(join(root, "docs/install.md"), "utf8");
  const added = /```yaml\n(resources:\n.*manifests\/discovery\n)/s.exec(
    install.split("## 7. Discovery")[1] ?? "",
  )?.[1];
  const folder = t.testdir({
    cluster: {
      "kustomization.yaml": `${added}images:\n  - name: keyswitch\n    newName: registry.example.com/keyswitch\n`,
    },
  });
  symlinkSync(root, join(folder, "keyswitch"));
  const whole = rendered(join(folder, "cluster"));
  t.equal(whole.length, rendered("manifests").length + manifests.length);
  const images = workloadsOf(whole).flatMap((one) => containersOf(one).map(({ image }) => image));
  t.same([...new Set(images)], ["registry.example.com/keyswitch:0.1.0"]);
});

t.test("cert-manager: a certificate in the Secret that the pods mount, for the Service's name", async (t) => {
  const folder = t.testdir();
  symlinkSync(root, join(folder, "keyswitch"));
  writeFileSync(
    join(folder, "kustomization.yaml"),
    "resources: [keyswitch/manifests/discovery]\ncomponents: [keyswitch/manifests/discovery/cert-manager]\n",
  );
  const certificate = rendered(folder).find(({ kind }) => kind === "Certificate");
  t.match(certificate, {
    spec: { secretName: "keyswitch-discovery-tls", issuerRef: { kind: "Issuer", name: "keyswitch-ca" } },
  });
  t.ok(JSON.stringify(certificate).includes('"keyswitch-discovery.keyswitch.svc"'));
});

t.test("Node takes its options, and the image's are among them", async (t) => {
  const given = env.get("NODE_OPTIONS")?.value?.split(" ") ?? [];
  const names = given.map((option) => option.replace(/=.*/, ""));
  // A package of the bot's is what Node would warn about.
  const image =
    imageEnv()
      .NODE_OPTIONS?.split(" ")
      .filter((one) => one !== "--disable-warning=DEP0060") ?? [];
  t.ok(image.length > 1);
  for (const option of image) t.ok(names.includes(option.replace(/=.*/, "")), option);
});

t.test("the API server takes every object, with no field that it does not know", async (t) => {
  const server = await runServer(t);
  await server.kubectl("create namespace keyswitch");
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests });
  const { code, stdout, stderr } = await server.kubectl("apply --server-side --validate=strict -f -", {
    input: list,
  });
  t.equal(code, 0, stderr);
  t.equal(stdout.match(/serverside-applied/g)?.length, manifests.length);
});
