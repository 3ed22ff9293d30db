// SPDX-License-Identifier: Apache-2.0
// Builds the pod of one device's agent: that of manifests/agent, pinned to the device's node. A test compares the two.
import { DEVICE, ownPinKey } from "./names.ts";
import type { PodSpec } from "./objects.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** Where the images come from: discovery's pod, or the agent that there is. */
export interface Images {
  readonly image: string;
  readonly imagePullPolicy?: string;
  readonly imagePullSecrets?: PodSpec["imagePullSecrets"];
}

/** The images of the pod that `spec` describes, by its container `name`. */
export const imagesOf = (spec: PodSpec | undefined, name: string): Images | undefined => {
  const container = spec?.containers?.find((one) => one.name === name);
  if (container?.image === undefined) return undefined;
  const { image, imagePullPolicy } = container;
  const imagePullSecrets = spec?.imagePullSecrets;
  return {
    image,
    ...(imagePullPolicy !== undefined && { imagePullPolicy }),
    ...(imagePullSecrets !== undefined && { imagePullSecrets }),
  };
};

const PCSCD = "/app/pcscd.sh";
const checkPcscd = { exec: { command: ["/bin/sh", PCSCD, "check"] } };
const probe = (path: string) => ({ httpGet: { scheme: "HTTPS", port: "https", path } });
const fieldRef = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
const items = (...keys: readonly string[]) => keys.map((key) => ({ key, path: key }));
const readOnly = (name: string, mountPath: string) => ({ name, mountPath, readOnly: true });

/** With the extended resource that it requests the kubelet injects the one device, which root in the container may open. */
const injected = (resource: string) => ({
  resources: {
    requests: { cpu: "10m", memory: "16Mi", [resource]: "1" },
    limits: { memory: "64Mi", [resource]: "1" },
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

/** Without one, only a privileged container opens the USB device. */
const privileged = {
  resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
  securityContext: { privileged: true, runAsNonRoot: false, runAsUser: 0, readOnlyRootFilesystem: true },
  volumeMounts: [
    { name: "pcscd", mountPath: "/run/pcscd" },
    { name: "usb", mountPath: "/dev/bus/usb" },
  ],
};

/** The reader's daemon: it has neither the PIN nor a token. */
const pcscd = (image: object, resource: string | undefined) => ({
  name: "pcscd",
  ...image,
  restartPolicy: "Always",
  command: ["/bin/sh", PCSCD, "run"],
  startupProbe: { ...checkPcscd, periodSeconds: 1, failureThreshold: 30 },
  livenessProbe: { ...checkPcscd, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 },
  ...(resource === undefined ? privileged : injected(resource)),
});

/** What an agent has that gets a role: the token of who may order it, and the CA of the agents that it calls. */
const roleVariables = ({ mirroring }: ResolvedSpec) =>
  mirroring === undefined
    ? []
    : [
        { name: "ROLE_TOKEN_FILE", value: "/etc/keyswitch/role/token" },
        { name: "PEER_CA_FILE", value: "/etc/keyswitch/tls/ca.crt" },
      ];

/** Where the agent reads sysfs: what a container has of it anyway needs no mount, which no baseline of pod security admits. */
const sysfsOf = (resource: string | undefined): string => (resource === undefined ? "/host/sys" : "/sys");

/** On the node, as the token is: what is in the pod alone would be lost with it. */
const SO_PIN_FOLDER = "/var/lib/keyswitch/so-pin";

/** Gives the agent the folder for SO PINs, which the kubelet makes as root's. */
const soPinFolder = (image: object) => ({
  name: "so-pin-folder",
  ...image,
  command: ["chown", "1200:1200", SO_PIN_FOLDER],
  resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: false,
    runAsUser: 0,
    capabilities: { drop: ["ALL"], add: ["CHOWN"] },
  },
  volumeMounts: [{ name: "so-pin", mountPath: SO_PIN_FOLDER }],
});

const environment = (spec: ResolvedSpec, sysfs: string) => [
  { name: "LOG_LEVEL", value: "info" },
  { name: "LISTEN_HOST", value: "0.0.0.0" },
  { name: "LISTEN_PORT", value: "8444" },
  { name: "TLS_CERT_FILE", value: "/etc/keyswitch/tls/tls.crt" },
  { name: "TLS_KEY_FILE", value: "/etc/keyswitch/tls/tls.key" },
  { name: "READ_TOKEN_FILE", value: "/etc/keyswitch/token/read" },
  { name: "WRITE_TOKEN_FILE", value: "/etc/keyswitch/token/write" },
  ...roleVariables(spec),
  { name: "DEVICE_NAME", ...fieldRef(`metadata.labels['${DEVICE}']`) },
  { name: "NODE_NAME", ...fieldRef("spec.nodeName") },
  { name: "PKCS11_MODULE", value: spec.library },
  "slot" in spec.token
    ? { name: "PKCS11_SLOT", value: String(spec.token.slot) }
    : { name: "PKCS11_TOKEN_LABEL", value: spec.token.label },
  { name: "PKCS11_PIN_FILE", value: "/etc/keyswitch/pkcs11/pin" },
  { name: "PKCS11_OWN_PIN_FILE", value: "/etc/keyswitch/pkcs11/own" },
  ...(spec.autoProvision
    ? [
        { name: "PKCS11_AUTO_PROVISION", value: "true" },
        { name: "PKCS11_SO_PIN_OUTPUT", value: `${SO_PIN_FOLDER}/$(DEVICE_NAME)` },
      ]
    : []),
  { name: "PKCS11_CACHE", value: "auto" },
  { name: "OPERATION_TIMEOUT_MS", value: "6000" },
  { name: "REFRESH_INTERVAL_MS", value: "30000" },
  { name: "SYSFS_ROOT", value: sysfs },
];

const agent = (spec: ResolvedSpec, image: object, resource: string | undefined) => ({
  name: "agent",
  ...image,
  args: ["agent"],
  env: environment(spec, sysfsOf(resource)),
  ports: [{ name: "https", containerPort: 8444 }],
  startupProbe: { ...probe("/healthz"), periodSeconds: 1, failureThreshold: 60 },
  livenessProbe: { ...probe("/healthz"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  readinessProbe: { ...probe("/readyz"), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 },
  lifecycle: { preStop: { sleep: { seconds: 2 } } },
  resources: spec.template.resources ?? {
    requests: { cpu: "50m", memory: "128Mi" },
    limits: { memory: "512Mi" },
  },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  },
  volumeMounts: [
    readOnly("tls", "/etc/keyswitch/tls"),
    readOnly("token", "/etc/keyswitch/token"),
    ...(spec.mirroring === undefined ? [] : [readOnly("role", "/etc/keyswitch/role")]),
    readOnly("pin", "/etc/keyswitch/pkcs11"),
    ...(spec.autoProvision ? [{ name: "so-pin", mountPath: SO_PIN_FOLDER }] : []),
    readOnly("pcscd", "/run/pcscd"),
    ...(resource === undefined
      ? [{ ...readOnly("host-sys", "/host/sys"), recursiveReadOnly: "IfPossible" }]
      : []),
    { name: "tmp", mountPath: "/tmp" },
  ],
});

const inMemory = (sizeLimit: string) => ({ emptyDir: { medium: "Memory", sizeLimit } });

/** Not optional: without the token the agent would have no role to wait for, and take writes beside the others. */
const roleVolumes = ({ mirroring }: ResolvedSpec) =>
  mirroring === undefined
    ? []
    : [
        {
          name: "role",
          secret: {
            secretName: "keyswitch-role-token",
            defaultMode: 0o440,
            items: [{ key: "role", path: "token" }],
          },
        },
      ];

const tlsKeys = ({ mirroring }: ResolvedSpec) =>
  mirroring === undefined ? items("tls.crt", "tls.key") : items("tls.crt", "tls.key", "ca.crt");

/** The node's own, or what takes their place. */
const deviceVolumes = (resource: string | undefined) =>
  resource === undefined
    ? [
        { name: "usb", hostPath: { path: "/dev/bus/usb", type: "DirectoryOrCreate" } },
        { name: "host-sys", hostPath: { path: "/sys", type: "Directory" } },
      ]
    : [
        { name: "pcscd-lock", ...inMemory("1Mi") },
        { name: "pcscd-tmp", ...inMemory("1Mi") },
      ];

const volumes = (spec: ResolvedSpec, { name, resource }: Site) => [
  {
    name: "tls",
    secret: { secretName: "keyswitch-agent-tls", defaultMode: 0o440, items: tlsKeys(spec) },
  },
  {
    name: "token",
    projected: {
      defaultMode: 0o440,
      sources: [
        { secret: { name: "keyswitch-agent-token", items: items("read") } },
        { secret: { name: "keyswitch-agent-token", optional: true, items: items("write") } },
      ],
    },
  },
  ...roleVolumes(spec),
  {
    name: "pin",
    secret: {
      secretName: spec.pin.secret,
      defaultMode: 0o440,
      // One source, so that both are always of one version of the Secret; one that lacks the second key is as good.
      optional: true,
      items: [
        { key: spec.pin.key, path: "pin" },
        { key: ownPinKey(spec.pin.key, name), path: "own" },
      ],
    },
  },
  ...(spec.autoProvision
    ? [{ name: "so-pin", hostPath: { path: SO_PIN_FOLDER, type: "DirectoryOrCreate" } }]
    : []),
  { name: "pcscd", ...inMemory("1Mi") },
  ...deviceVolumes(resource),
  { name: "tmp", ...inMemory("16Mi") },
];

/** By its name and not by a label, which somebody may set on two nodes. */
const onlyOn = (node: string) => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }],
    },
  },
});

/** Which agent it is, where its device is, and the extended resource by which a pod gets that; without one its pcscd is privileged. */
export interface Site {
  readonly name: string;
  readonly node: string;
  readonly resource: string | undefined;
}

/** The PodSpec of the agent of a device. */
export const agentPod = (spec: ResolvedSpec, site: Site, images: Images): Record<string, unknown> => {
  const { template } = spec;
  const { node, resource } = site;
  const image = {
    image: template.image ?? images.image,
    ...(images.imagePullPolicy !== undefined && { imagePullPolicy: images.imagePullPolicy }),
  };
  return {
    serviceAccountName: "keyswitch-agent",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    affinity: onlyOn(node),
    ...(images.imagePullSecrets !== undefined && { imagePullSecrets: images.imagePullSecrets }),
    ...(template.tolerations !== undefined && { tolerations: template.tolerations }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1200,
      runAsGroup: 1200,
      fsGroup: 1200,
      seccompProfile: { type: "RuntimeDefault" },
    },
    initContainers: [...(spec.autoProvision ? [soPinFolder(image)] : []), pcscd(image, resource)],
    containers: [agent(spec, image, resource)],
    volumes: volumes(spec, site),
  };
};
