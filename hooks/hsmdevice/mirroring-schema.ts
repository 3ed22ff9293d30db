// SPDX-License-Identifier: Apache-2.0
// Defines what an HSMDevice's schema says of mirroring: in the spec, of each device, and of the set.
import { type SchemaOptions, Type } from "@sinclair/typebox";
import { enumeration } from "../enumeration.ts";
import { DNS_SUBDOMAIN, MAX_NAME } from "../formats.ts";
import { TIME_PATTERN } from "../rfc3339.ts";

export const text = (description: string, options: SchemaOptions = {}) =>
  Type.Optional(Type.String({ description, ...options }));
const count = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, format: "int64", description }));
export const time = { crdFormat: "date-time", pattern: TIME_PATTERN };

/** spec.mirroring.policy; docs/hsmdevice.md explains each. */
const MIRRORING_POLICIES = ["None", "ReadOnly", "Active"] as const;
const ACKNOWLEDGEMENTS = ["Primary", "Mirror"] as const;

const NodeName = (description: string) =>
  Type.String({ pattern: DNS_SUBDOMAIN, minLength: 1, maxLength: MAX_NAME, description });

/** spec.mirroring: whether the devices are one store, and how. */
export const Mirroring = Type.Object(
  {
    policy: Type.Optional(
      enumeration(MIRRORING_POLICIES, {
        default: "None",
        description:
          "None: each device is a store of its own. ReadOnly: one is the primary, the others copy it and refuse writes. Active: they hand writes on to it.",
      }),
    ),
    syncInterval: Type.Optional(
      Type.Integer({
        minimum: 5,
        maximum: 86400,
        default: 60,
        format: "int32",
        description: "Seconds after which a mirror asks for what is new, when nobody tells it.",
      }),
    ),
    targetNodes: Type.Optional(
      Type.Array(NodeName("Name of the node."), {
        minItems: 1,
        maxItems: 64,
        "x-kubernetes-list-type": "set",
        description:
          "Nodes whose devices belong to the set, beside primaryNode; those of others are not used. Default: every node.",
      }),
    ),
    primaryNode: Type.Optional(
      NodeName("Node whose device becomes the primary first. A change hands over without a loss."),
    ),
    autoFailover: Type.Optional(
      Type.Boolean({
        default: true,
        description: "Whether a mirror becomes the primary when that can't be reached.",
      }),
    ),
    acknowledge: Type.Optional(
      enumeration(ACKNOWLEDGEMENTS, {
        default: "Primary",
        description: "Who must hold a write before it is answered. Mirror: no failover can lose it.",
      }),
    ),
  },
  {
    description: "Whether the devices are one store. It has no meaning while policy is None.",
    "x-kubernetes-validations": [
      {
        rule: "!has(self.acknowledge) || self.acknowledge != 'Mirror' || (has(self.policy) && self.policy != 'None')",
        message: "acknowledge: Mirror needs the policy ReadOnly or Active",
      },
    ],
  },
);

/** status.discoveredDevices[].role. None: its token does not belong to the set. */
const ROLES = ["Primary", "Mirror", "None"] as const;

/** What status.discoveredDevices[] has of a set. */
export const MemberStatus = {
  role: Type.Optional(enumeration(ROLES, { description: "What it is in the set of mirroring." })),
  objects: count("Secrets that its token holds."),
  mirroredFrom: text("Id of the primary whose content it has taken over."),
  lastSyncTime: text("When what it has taken over last changed.", time),
  syncedVersions: count("Sum of the versions of what it had then: each write of the set raises it."),
  diverged: count("Secrets that it holds or has deleted in a way that the primary does not know of."),
};

/** What the status has of a set: what the next sync decides by. */
export const SetStatus = {
  primary: text("Id of the device that takes writes."),
  epoch: count("Counts the primaries: each new one has a greater epoch."),
  failoverCount: count("How often a mirror took over from a primary that could not be reached."),
  unreachableSince: text(
    "Since when the primary can't be reached; nobody is granted writes meanwhile.",
    time,
  ),
  established: Type.Optional(
    Type.Boolean({ description: "Whether the set has been founded on the token of a primary." }),
  ),
  preferredNode: text("spec.mirroring.primaryNode as it was last followed."),
  handover: Type.Optional(
    Type.Object(
      {
        to: Type.String({ description: "Id of the device that shall be the primary." }),
        since: Type.String({ ...time, description: "Since when the primary takes no more writes." }),
      },
      { description: "A hand-over under way." },
    ),
  ),
  inSync: Type.Optional(
    Type.Array(Type.String(), {
      maxItems: 64,
      "x-kubernetes-list-type": "set",
      description: "With acknowledge: Mirror, the mirrors that hold every acknowledged write.",
    }),
  ),
  complete: Type.Optional(
    Type.Array(Type.String(), {
      maxItems: 64,
      "x-kubernetes-list-type": "set",
      description:
        "With acknowledge: Primary, the mirrors that were complete when the primary last answered.",
    }),
  ),
};
