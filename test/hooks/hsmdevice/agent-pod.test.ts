// SPDX-License-Identifier: Apache-2.0
// Tests the pod of an HSMDevice's agent against that of manifests/agent.
import { readFileSync } from "node:fs";
import t from "tap";
import { parse } from "yaml";
import { childrenOf, type PodSpec, podOf, settled } from "./children.ts";
import { pico, type World } from "./world.ts";

const agentOf = (world: World): string =>
  childrenOf(world).find(({ kind }) => kind === "Deployment")?.metadata.name ?? "";

/** The DaemonSet's pod, with what differs on purpose as an HSMDevice has it. */
const expectedPod = (agent: string): PodSpec => {
  const file = new URL("../../../manifests/agent/daemon-set.yaml", import.meta.url);
  const pod = parse(readFileSync(file, "utf8"), { version: "1.1" }).spec.template.spec;
  delete pod.nodeSelector;
  pod.volumes = pod.volumes.filter(({ name }: { name: string }) => name !== "pcscd-script");
  const pin = pod.volumes.find(({ name }: { name: string }) => name === "pin").secret;
  // An agent may have a PIN of its own.
  Object.assign(pin, { secretName: "pin", optional: true });
  pin.items.push({ key: `pin.${agent}`, path: "own" });
  const { env } = pod.containers[0];
  const pinFile = env.findIndex(({ name }: { name: string }) => name === "PKCS11_PIN_FILE");
  env.splice(pinFile + 1, 0, { name: "PKCS11_OWN_PIN_FILE", value: "/etc/keyswitch/pkcs11/own" });
  const [pcscd] = pod.initContainers;
  pcscd.volumeMounts = pcscd.volumeMounts.filter(({ name }: { name: string }) => name !== "pcscd-script");
  const text = JSON.stringify(pod)
    .replaceAll("/etc/keyswitch/pcscd/pcscd.sh", "/app/pcscd.sh")
    .replaceAll('"image":"keyswitch","imagePullPolicy":"IfNotPresent"', '"image":"keyswitch:0.1.0"');
  return JSON.parse(text);
};

t.test("the agent's pod is that of manifests/agent, on the device's node alone", async (t) => {
  const world = settled();
  const { affinity, ...pod } = podOf(world);
  const deployment = childrenOf(world).find(({ kind }) => kind === "Deployment");
  t.strictSame(pod, expectedPod(String(deployment?.metadata.name)));
  t.match(affinity, {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["a"] }] }],
      },
    },
  });
});

const RESOURCE = "hsm.j5t.io/picohsm-a";
const offered = (change?: (world: World) => void) =>
  settled((world) => {
    world.plugins.add("a");
    change?.(world);
  });

t.test(
  "with a device plugin it differs in how the device is got, and mounts nothing of its node",
  async (t) => {
    const world = offered();
    const { affinity: _, ...pod } = podOf(world);
    const expected = expectedPod(agentOf(world));
    const own = ["usb", "host-sys"];
    const [pcscd, agent] = [expected.initContainers[0], expected.containers[0]];
    const inMemory = { emptyDir: { medium: "Memory", sizeLimit: "1Mi" } };
    Object.assign(pcscd ?? {}, {
      resources: {
        requests: { cpu: "10m", memory: "16Mi", [RESOURCE]: "1" },
        limits: { memory: "64Mi", [RESOURCE]: "1" },
      },
      securityContext: {
        allowPrivilegeEscalation: false,
        runAsNonRoot: false,
        runAsUser: 0,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      volumeMounts: [
        { name: "pcscd", mountPath: "/run/pcscd" },
        { name: "pcscd-lock", mountPath: "/var/lock/pcsc" },
        { name: "pcscd-tmp", mountPath: "/tmp" },
      ],
    });
    const mounts = (agent?.volumeMounts ?? []) as { name: string }[];
    Object.assign(agent ?? {}, {
      env: agent?.env?.map((one) => (one.name === "SYSFS_ROOT" ? { ...one, value: "/sys" } : one)),
      volumeMounts: mounts.filter(({ name }) => !own.includes(name)),
    });
    const byName = (volumes: unknown) =>
      [...(volumes as { name: string }[])].sort((a, b) => (a.name < b.name ? -1 : 1));
    const volumes = (expected.volumes as { name: string }[]).filter(({ name }) => !own.includes(name));
    const added = ["pcscd-lock", "pcscd-tmp"].map((name) => ({ name, ...inMemory }));
    t.strictSame(
      { ...pod, volumes: byName(pod.volumes) },
      { ...expected, volumes: byName([...volumes, ...added]) },
    );
    t.notMatch(JSON.stringify(pod), /hostPath|"privileged"/, "pod security: baseline");
  },
);

t.test(
  "another path of the device makes another pod; that it is gone or its node silent does not",
  async (t) => {
    const world = offered();
    const template = () =>
      JSON.stringify(childrenOf(world).find(({ kind }) => kind === "Deployment")?.spec.template);
    const first = template();
    t.match(first, '"hsm.j5t.io/device-path":"bus/usb/001/003"');
    world.silent.add("a");
    world.status = undefined;
    world.run(20);
    t.equal(template(), first);
    world.silent.clear();
    world.devices.a = [];
    world.run(20);
    t.equal(template(), first);
    world.devices.a = [pico("A", { devicePath: "bus/usb/001/009" })];
    world.run(20);
    t.equal(template(), first.replace("bus/usb/001/003", "bus/usb/001/009"));
  },
);

t.test("a privileged pod finds the device by itself: its path is not in it", async (t) => {
  t.notMatch(JSON.stringify(settled().children), "device-path");
});

t.test(
  "an agent that had a privileged pod gets the device by its resource as soon as that is offered",
  async (t) => {
    const world = settled();
    world.plugins.add("a");
    t.strictSame(podOf(world.run(10)), podOf(offered()));
  },
);

t.test("spec.pkcs11 and spec.template are what the pod has", async (t) => {
  const pod = podOf(
    settled((world) => {
      world.spec = {
        deviceType: "PicoHSM",
        pkcs11: { libraryPath: "/lib/x.so", tokenLabel: "store", pinSecret: { name: "p", key: "k" } },
        template: {
          image: "mine",
          tolerations: [{ operator: "Exists" }],
          resources: { limits: { memory: "1Gi" } },
        },
      };
    }),
  );
  const [agent] = pod.containers;
  t.match(pod, { tolerations: [{ operator: "Exists" }], initContainers: [{ image: "mine" }] });
  t.match(agent, { image: "mine", resources: { limits: { memory: "1Gi" } } });
  const value = (of: string) => agent?.env?.find(({ name }) => name === of)?.value;
  t.equal(value("PKCS11_MODULE"), "/lib/x.so");
  t.equal(value("PKCS11_TOKEN_LABEL"), "store");
  t.equal(value("PKCS11_SLOT"), undefined);
  const pin = (pod.volumes as { name: string }[]).find(({ name }) => name === "pin");
  t.match(pin, {
    secret: {
      secretName: "p",
      items: [
        { key: "k", path: "pin" },
        { key: /^k\.hsm-/, path: "own" },
      ],
    },
  });
});

t.test("with mirroring an agent has what it gets its role by, and the CA of the others", async (t) => {
  const mirroring = { policy: "ReadOnly" } as const;
  const world = settled((changed) => {
    changed.spec = { ...changed.spec, mirroring };
  });
  const pod = podOf(world);
  const [agent] = pod.containers;
  const value = (of: string) => agent?.env?.find(({ name }) => name === of)?.value;
  const mounts = agent?.volumeMounts as { name: string; mountPath: string }[];
  const volume = (of: string) => (pod.volumes as { name: string }[]).find(({ name }) => name === of);
  const fileOf = (path: string, key: string) => {
    const mount = mounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    const rest = path.slice((mount?.mountPath.length ?? 0) + 1);
    t.match(volume(mount?.name ?? ""), { secret: { items: [] } });
    t.match(JSON.stringify(volume(mount?.name ?? "")), `{"key":"${key}","path":"${rest}"}`);
  };
  fileOf(value("ROLE_TOKEN_FILE") ?? "", "role");
  fileOf(value("PEER_CA_FILE") ?? "", "ca.crt");
  t.match(volume("role"), { secret: { secretName: "keyswitch-role-token", optional: undefined } });
  const own = pod.initContainers.map((container) => JSON.stringify(container));
  t.notOk(own.join().includes("/etc/keyswitch"), "pcscd has none of it");
  const policy = (of: World) => childrenOf(of).find(({ kind }) => kind === "NetworkPolicy")?.spec;
  const peer = {
    podSelector: {
      matchLabels: { "app.kubernetes.io/name": "keyswitch-hsmdevice-agent", "hsm.j5t.io/hsmdevice": "hsm" },
    },
  };
  t.strictSame(policy(world)?.egress, [{ to: [peer], ports: [{ port: 8444 }] }]);
  t.match((policy(world)?.ingress as { from: object[] }[])[0]?.from, [{}, {}, peer]);
  t.strictSame(policy(settled())?.egress, []);
  t.equal((policy(settled())?.ingress as { from: object[] }[])[0]?.from.length, 2);
});

t.test("where tokens may be set up, the agent hands their SO PINs over in a file of the node", async (t) => {
  const pod = podOf(
    settled((world) => {
      const pkcs11 = { tokenLabel: "store", pinSecret: { name: "p" }, autoProvision: true };
      world.spec = { deviceType: "PicoHSM", pkcs11 };
    }),
  );
  const [agent] = pod.containers;
  const names = agent?.env?.map(({ name }) => name) ?? [];
  t.match(agent?.env, [
    ...names.slice(0, names.indexOf("PKCS11_AUTO_PROVISION")).map((name) => ({ name })),
    { name: "PKCS11_AUTO_PROVISION", value: "true" },
    { name: "PKCS11_SO_PIN_OUTPUT", value: "/var/lib/keyswitch/so-pin/$(DEVICE_NAME)" },
  ]);
  t.ok(names.indexOf("DEVICE_NAME") < names.indexOf("PKCS11_SO_PIN_OUTPUT"), "which is known by then");
  const hostPath = { path: "/var/lib/keyswitch/so-pin", type: "DirectoryOrCreate" };
  const volume = (pod.volumes as { name: string }[]).find(({ name }) => name === "so-pin");
  t.match(volume, { hostPath });
  const mounts = [{ name: "so-pin", mountPath: hostPath.path }];
  t.match(pod.initContainers, [
    {
      command: ["chown", "1200:1200", hostPath.path],
      securityContext: { capabilities: { drop: ["ALL"], add: ["CHOWN"] } },
      volumeMounts: mounts,
    },
    { name: "pcscd" },
  ]);
  t.strictSame(
    (agent as { volumeMounts?: { name: string }[] }).volumeMounts?.filter(({ name }) => name === "so-pin"),
    mounts,
  );
});
