// SPDX-License-Identifier: Apache-2.0
// Defines the HSMDevice resource in one schema for the TypeScript types, the hooks' input checks and the CRD
// (scripts/generate.ts).
import { type Static, Type } from "@sinclair/typebox";
import { enumeration } from "../enumeration.ts";
import { DNS_SUBDOMAIN, LABEL_VALUE, MAX_NAME } from "../formats.ts";
import { AnyObject, conditions } from "../kubernetes.ts";
import { CustomizeRequest, ObjectsByName, Parent } from "../metacontroller.ts";
import { MemberStatus, Mirroring, SetStatus, text, time } from "./mirroring-schema.ts";
import { Deployment, Named, Node, Pod } from "./objects.ts";

/** What another system than Kubernetes' own API server need not know of: it checks the pod when the Deployment is made. */
const ANY_FIELD = { "x-kubernetes-preserve-unknown-fields": true } as const;

const UsbId = (description: string) =>
  Type.String({ pattern: "^[0-9a-fA-F]{4}$", maxLength: 4, description });

/** spec.discovery.usb[]. */
export const UsbMatch = Type.Object({
  vendorId: UsbId("USB vendor id, four hexadecimal digits, such as 2e8a."),
  productId: UsbId("USB product id, four hexadecimal digits, such as 10fd."),
  serialNumber: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 126,
      description: "Serial number. Default: every device of these ids.",
    }),
  ),
});
export type UsbMatch = Static<typeof UsbMatch>;

/** spec.discovery.devicePath. */
const DevicePathMatch = Type.Object({
  path: Type.String({
    minLength: 1,
    maxLength: 255,
    pattern: "^[A-Za-z0-9_.:@+=/*?-]+$",
    description:
      "Path below /dev with * and ? in its segments, such as ttyACM*. Discovery must report it (its DEVICE_PATHS).",
  }),
  permissions: Type.Optional(
    Type.String({
      pattern: "^[0-7]{4}$",
      maxLength: 4,
      description: "Mode that the file must have, such as 0660.",
    }),
  ),
});

/** spec.discovery: which devices. */
const Discovery = Type.Object(
  {
    usb: Type.Optional(
      Type.Array(UsbMatch, {
        minItems: 1,
        maxItems: 32,
        description: "Devices by USB ids and serial number.",
      }),
    ),
    devicePath: Type.Optional(DevicePathMatch),
    autoDiscovery: Type.Optional(
      Type.Boolean({
        description:
          "Every device that discovery reports as deviceType. Default: true where neither usb nor devicePath is set, else false.",
      }),
    ),
  },
  {
    description: "Which devices. Default: autoDiscovery.",
    "x-kubernetes-validations": [
      {
        rule: "has(self.usb) || has(self.devicePath) || !has(self.autoDiscovery) || self.autoDiscovery",
        message: "without usb and devicePath autoDiscovery can't be false: no device would match",
      },
    ],
  },
);

/** spec.pkcs11: how an agent opens the token. */
const Pkcs11 = Type.Object(
  {
    libraryPath: Type.Optional(
      Type.String({
        pattern: "^/.*$",
        maxLength: 1024,
        default: "/usr/lib/opensc-pkcs11.so",
        description: "Path of the PKCS#11 module in the agent's image.",
      }),
    ),
    slotId: Type.Optional(
      Type.Integer({
        minimum: 0,
        format: "int64",
        description: "Slot of the token. Default: 0, without tokenLabel.",
      }),
    ),
    tokenLabel: Type.Optional(
      Type.String({ minLength: 1, maxLength: 32, description: "Label of the token, in place of slotId." }),
    ),
    pinSecret: Type.Object(
      {
        name: Type.String({
          pattern: DNS_SUBDOMAIN,
          minLength: 1,
          maxLength: MAX_NAME,
          description: "Name of the Secret.",
        }),
        key: Type.Optional(
          Type.String({
            pattern: "^[-._a-zA-Z0-9]+$",
            minLength: 1,
            // With a dot and an agent's name behind it it is a key, too.
            maxLength: MAX_NAME - 64,
            default: "pin",
            description: "Key of the Secret. <key>.<agent> counts in its place for one agent.",
          }),
        ),
      },
      { description: "Secret of the same namespace that holds the user PIN." },
    ),
    autoProvision: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          "Set up a blank token, if it is the only one and none has tokenLabel. Its SO PIN is in a file on its node.",
      }),
    ),
  },
  {
    description: "How an agent opens the token.",
    "x-kubernetes-validations": [
      { rule: "!(has(self.slotId) && has(self.tokenLabel))", message: "set slotId or tokenLabel, not both" },
      {
        rule: "!has(self.autoProvision) || !self.autoProvision || has(self.tokenLabel)",
        message: "autoProvision needs tokenLabel: a token that is set up gets that label",
      },
      {
        rule: "!has(oldSelf.tokenLabel) || (has(self.tokenLabel) && self.tokenLabel == oldSelf.tokenLabel)",
        message:
          "tokenLabel can't change once it is set: it says which store this is. Make another HSMDevice",
      },
    ],
  },
);

/** spec.template: what an installation changes of the agents' pods. */
const AgentTemplate = Type.Object(
  {
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description:
          "Image of the agents, such as one with another PKCS#11 module. Default: the one of discovery.",
      }),
    ),
    tolerations: Type.Optional(
      Type.Array(Type.Object({}, ANY_FIELD), {
        maxItems: 32,
        description: "Tolerations of the agents' pods.",
      }),
    ),
    resources: Type.Optional(
      Type.Object(
        {},
        { ...ANY_FIELD, description: "Resources of the agent's container, in place of its own." },
      ),
    ),
  },
  { description: "Changes to the agents' pods." },
);

/** spec.deviceType. */
const DEVICE_TYPES = ["PicoHSM", "SmartCard-HSM", "Generic"] as const;

/** spec of an HSMDevice. */
export const HSMDeviceSpec = Type.Object({
  deviceType: enumeration(DEVICE_TYPES, {
    description: "What the devices are; autoDiscovery looks for it.",
    "x-kubernetes-validations": [
      { rule: "self == oldSelf", message: "deviceType can't change: make another HSMDevice" },
    ],
  }),
  discovery: Type.Optional(Discovery),
  nodeSelector: Type.Optional(
    Type.Record(Type.String(), Type.String({ maxLength: 63, pattern: LABEL_VALUE }), {
      maxProperties: 16,
      description: "Labels of the nodes whose devices count. Default: every node.",
    }),
  ),
  maxDevices: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 64,
      default: 10,
      format: "int32",
      description: "How many devices get an agent; further ones are listed and not used.",
    }),
  ),
  pkcs11: Pkcs11,
  mirroring: Type.Optional(Mirroring),
  template: Type.Optional(AgentTemplate),
});
export type HSMDeviceSpec = Static<typeof HSMDeviceSpec>;

/** status.phase; docs/hsmdevice.md explains each. */
const PHASES = ["Pending", "Ready", "Partial", "Error"] as const;
export type Phase = (typeof PHASES)[number];

/** status.discoveredDevices[].health; docs/hsmdevice.md explains each. */
const HEALTHS = ["Healthy", "Starting", "Unhealthy", "Gone", "Unused", "Unknown"] as const;
export type Health = (typeof HEALTHS)[number];

/** status.discoveredDevices[]. */
export const DeviceStatus = Type.Object({
  id: Type.String({ description: "Serial number; without one, node and USB port, or node and path." }),
  nodeName: Type.String({ description: "Node that has it, or had it last." }),
  devicePath: text("Below the node's /dev; another one after every plug."),
  serialNumber: text("Serial number."),
  health: enumeration(HEALTHS, { description: "How it is." }),
  available: Type.Boolean({ description: "Whether it is plugged in and its agent is available." }),
  agent: text("Deployment of its agent."),
  goneSince: text("Since when discovery does not see it any more.", time),
  ...MemberStatus,
  message: text("Why it is not used, or what to do."),
});
export type DeviceStatus = Static<typeof DeviceStatus>;

/** status of an HSMDevice. It changes only when something happened. */
export const HSMDeviceStatus = Type.Object({
  observedGeneration: Type.Optional(
    Type.Integer({ format: "int64", description: "Generation of the spec that this status speaks of." }),
  ),
  phase: Type.Optional(enumeration(PHASES, { description: "Ready: every usable device has its agent." })),
  devices: text("Available devices of those that are known, such as 2/3."),
  message: text("The phase in words, and what to do where something is wrong."),
  discoveredDevices: Type.Optional(
    Type.Array(DeviceStatus, {
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["id", "nodeName"],
      description: "The devices that match, or once did, by id.",
    }),
  ),
  ...SetStatus,
  conditions: Type.Optional(
    conditions(
      "Ready; Reconciling or Stalled where it does not hold. With mirroring also Mirrored and Diverged.",
    ),
  ),
});
export type HSMDeviceStatus = Static<typeof HSMDeviceStatus>;

/** An HSMDevice as a hook request carries it. */
export const HSMDevice = Parent("HSMDevice", HSMDeviceSpec);
export type HSMDevice = Static<typeof HSMDevice>;

/** The children of an HSMDevice, as Metacontroller groups them. */
const CHILDREN = {
  "Deployment.apps/v1": Type.Optional(ObjectsByName(Deployment)),
  "Service.v1": Type.Optional(ObjectsByName(Named)),
  "NetworkPolicy.networking.k8s.io/v1": Type.Optional(ObjectsByName(Named)),
};

/** The body of POST /hooks/hsmdevice/sync and …/finalize. */
export const HSMDeviceSyncRequest = Type.Object({
  controller: AnyObject,
  parent: HSMDevice,
  // A child that the hook overlooked would be deleted: another group makes the request invalid.
  children: Type.Object(CHILDREN, { additionalProperties: false }),
  related: Type.Object({
    ...CHILDREN,
    "Pod.v1": Type.Optional(ObjectsByName(Pod)),
    "Node.v1": Type.Optional(ObjectsByName(Node)),
  }),
  finalizing: Type.Boolean(),
});
export type HSMDeviceSyncRequest = Static<typeof HSMDeviceSyncRequest>;

/** The body of POST /hooks/hsmdevice/customize. */
export const HSMDeviceCustomizeRequest = CustomizeRequest(HSMDevice);
export type HSMDeviceCustomizeRequest = Static<typeof HSMDeviceCustomizeRequest>;
