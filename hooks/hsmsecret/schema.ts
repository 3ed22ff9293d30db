// SPDX-License-Identifier: Apache-2.0
// Defines the HSMSecret resource in one schema for the TypeScript types, the hooks' input checks and the CRD
// (scripts/generate.ts).
import { type Static, Type } from "@sinclair/typebox";
import { enumeration } from "../enumeration.ts";
import {
  AGENT_NAME,
  DNS_SUBDOMAIN,
  LABEL_VALUE,
  MAX_NAME,
  MAX_PATH_BYTES,
  PATH_PATTERN_RE2,
} from "../formats.ts";
import { conditions, Secret } from "../kubernetes.ts";
import { CustomizeRequest, ObjectsByName, Parent, SyncRequest } from "../metacontroller.ts";

const SECRET_KEY = "^[-._a-zA-Z0-9]+$";

/** A time as RFC 3339. `crdFormat` becomes the CRD's `format`, which TypeBox would want a registered check for. */
const time = (description: string) => Type.String({ crdFormat: "date-time", description });

/** spec.data[]: one key of the Secret and the key on the token that it is read from. */
const KeyMapping = Type.Object({
  key: Type.String({
    pattern: SECRET_KEY,
    minLength: 1,
    maxLength: MAX_NAME,
    description: "Key in the Secret.",
  }),
  hsmKey: Type.String({
    pattern: SECRET_KEY,
    minLength: 1,
    maxLength: MAX_NAME,
    description: "Key at hsmPath on the token.",
  }),
});

/** spec.template: what the Secret carries beside its data. */
const SecretTemplate = Type.Object({
  labels: Type.Optional(
    Type.Record(Type.String(), Type.String({ maxLength: 63, pattern: LABEL_VALUE }), {
      maxProperties: 64,
      description: "Labels of the Secret.",
      "x-kubernetes-validations": [
        {
          rule: "!('controller-uid' in self)",
          message: "the label controller-uid belongs to Metacontroller",
        },
      ],
    }),
  ),
  annotations: Type.Optional(
    Type.Record(Type.String(), Type.String({ maxLength: 16384 }), {
      maxProperties: 64,
      description: "Annotations of the Secret.",
      "x-kubernetes-validations": [
        {
          rule: "!('kubectl.kubernetes.io/last-applied-configuration' in self) && !('metacontroller.k8s.io/last-applied-configuration' in self)",
          message: "the annotations of kubectl apply and Metacontroller can't be set in a template",
        },
      ],
    }),
  ),
});

/** spec of an HSMSecret. What is left out takes the default; hsmPath and secretName default by the object's name. */
export const HSMSecretSpec = Type.Object({
  hsmPath: Type.Optional(
    Type.String({
      pattern: PATH_PATTERN_RE2,
      minLength: 1,
      maxLength: MAX_PATH_BYTES,
      description:
        "Path on the token. Default: secrets/<namespace>/<name>. Another namespace's path needs a rule in the path policy.",
      "x-kubernetes-validations": [
        {
          rule: "!self.matches('(^|/)[.]{1,2}(/|$)')",
          message: "a segment of the path can't be . or ..",
        },
      ],
    }),
  ),
  secretName: Type.Optional(
    Type.String({
      pattern: DNS_SUBDOMAIN,
      minLength: 1,
      maxLength: MAX_NAME,
      description: "Name of the Secret, in the namespace of the HSMSecret. Default: the HSMSecret's name.",
    }),
  ),
  secretType: Type.Optional(
    Type.String({
      default: "Opaque",
      minLength: 1,
      maxLength: MAX_NAME,
      description: "Type of the Secret. Kubernetes can't change the type of a Secret that exists.",
      "x-kubernetes-validations": [
        {
          rule: "self != 'kubernetes.io/service-account-token'",
          message: "Kubernetes makes the data of service account tokens itself",
        },
      ],
    }),
  ),
  autoSync: Type.Optional(
    Type.Boolean({
      default: true,
      description:
        "Follow the token. If false, the token is read when there is no Secret yet, when the spec changes, and when the annotation hsm.j5t.io/force-sync changes.",
    }),
  ),
  syncInterval: Type.Optional(
    Type.Integer({
      default: 300,
      minimum: 5,
      maximum: 2147483647,
      format: "int32",
      description: "Seconds between two readings of the token at the most.",
    }),
  ),
  device: Type.Optional(
    Type.String({
      pattern: AGENT_NAME,
      minLength: 1,
      maxLength: MAX_NAME,
      description: "Name of the one agent, or set of HSMs, to ask. Default: all in their order.",
    }),
  ),
  writeBack: Type.Optional(
    enumeration(["Never", "OnChange"], {
      default: "Never",
      description:
        "Never: an edited Secret is put back. OnChange: it is written to the token, unless the token has changed too; that is a Conflict, which the annotation hsm.j5t.io/resolve (hsm or secret) resolves.",
    }),
  ),
  deletionPolicy: Type.Optional(
    enumeration(["Retain", "Delete"], {
      default: "Retain",
      description:
        "What becomes of the data on the token when the HSMSecret is deleted. With Delete the HSMSecret stays until they are removed. The Secret is deleted.",
    }),
  ),
  onMissing: Type.Optional(
    enumeration(["Retain", "Delete"], {
      default: "Retain",
      description: "What becomes of the Secret when a healthy token says that nothing is stored at the path.",
    }),
  ),
  adopt: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        "Take over a Secret of this name that exists already and that no controller owns. Its data is replaced by the token's, and it is deleted with the HSMSecret. Metacontroller's dynamic apply takes over only a Secret with the label controller-uid: the status tells the command.",
    }),
  ),
  template: Type.Optional(SecretTemplate),
  data: Type.Optional(
    Type.Array(KeyMapping, {
      minItems: 1,
      maxItems: 256,
      description: "The keys of the Secret. Default: every key at the path, under its own name.",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["key"],
    }),
  ),
});
export type HSMSecretSpec = Static<typeof HSMSecretSpec>;

/** status.syncStatus, as the system that came before had it. */
export const SyncStatus = enumeration(["InSync", "OutOfSync", "Error", "Pending"], {
  description: "Whether the Secret holds what the token holds.",
});
export type SyncStatus = Static<typeof SyncStatus>;

/** status of an HSMSecret. It changes only when something happened. */
export const HSMSecretStatus = Type.Object({
  observedGeneration: Type.Optional(
    Type.Integer({
      format: "int64",
      description: "Generation of the spec that this status speaks of.",
    }),
  ),
  syncStatus: Type.Optional(SyncStatus),
  hsmPath: Type.Optional(
    Type.String({ description: "Path on the token: that of the spec, or the default." }),
  ),
  lastSyncTime: Type.Optional(
    time(
      "When the Secret last came to hold what the token holds. Later readings that found no change do not move it.",
    ),
  ),
  hsmChecksum: Type.Optional(
    Type.String({ description: "Keyed checksum of the path's content, as last read from the token." }),
  ),
  lastReading: Type.Optional(
    Type.Object(
      {
        version: Type.Integer({ format: "int64", minimum: 0, description: "It counts writes." }),
        device: Type.String({ description: "Device whose token had it." }),
        epoch: Type.Optional(
          Type.Integer({
            format: "int64",
            minimum: 0,
            description: "Of the set of HSMs, when it was written. Absent: it was outside any.",
          }),
        ),
      },
      { description: "Which version of the path's content was last read in full." },
    ),
  ),
  secretChecksum: Type.Optional(
    Type.String({ description: "Keyed checksum of the Secret's data, as last observed." }),
  ),
  lastError: Type.Optional(
    Type.String({ description: "What is wrong now and what to do. Absent when nothing is." }),
  ),
  device: Type.Optional(
    Type.String({
      description:
        "Device whose token answered last. Of a set of HSMs, the member of it, and whether that is another than the primary.",
    }),
  ),
  set: Type.Optional(
    Type.Object(
      {
        device: Type.String({ description: "The set." }),
        epoch: Type.Integer({ format: "int64", minimum: 0 }),
      },
      { description: "The highest epoch in which the primary of a set of HSMs has answered." },
    ),
  ),
  secretRef: Type.Optional(
    Type.Object(
      {
        name: Type.String(),
        namespace: Type.String(),
        uid: Type.Optional(
          Type.String({
            description:
              "Uid of the Secret that the HSMSecret owns. The Secret of this uid is taken back where it has lost its owner reference.",
          }),
        ),
      },
      { description: "The Secret." },
    ),
  ),
  lastForceSync: Type.Optional(
    Type.String({
      description: "Value of the annotation hsm.j5t.io/force-sync that was last obeyed.",
    }),
  ),
  conflict: Type.Optional(
    Type.Object(
      {
        secretChecksum: Type.String(),
        hsmChecksum: Type.Optional(Type.String()),
      },
      {
        description:
          "Keyed checksums of the Secret and of the token's content that can't both stay. Without hsmChecksum the token holds nothing.",
      },
    ),
  ),
  lastResolve: Type.Optional(
    Type.String({
      description:
        "Value of the annotation hsm.j5t.io/resolve that is used up: it resolves no later conflict until it is removed and set again.",
    }),
  ),
  conditions: Type.Optional(conditions("Ready; Reconciling, Stalled and LastAppliedLeak where they hold.")),
});
export type HSMSecretStatus = Static<typeof HSMSecretStatus>;

/** An HSMSecret as a hook request carries it. */
export const HSMSecret = Parent("HSMSecret", Type.Optional(HSMSecretSpec));
export type HSMSecret = Static<typeof HSMSecret>;

/** The body of POST /hooks/hsmsecret/sync and …/finalize. */
export const HSMSecretSyncRequest = SyncRequest(
  HSMSecret,
  { "Secret.v1": Type.Optional(ObjectsByName(Secret)) },
  {},
);
export type HSMSecretSyncRequest = Static<typeof HSMSecretSyncRequest>;

/** The body of POST /hooks/hsmsecret/customize. */
export const HSMSecretCustomizeRequest = CustomizeRequest(HSMSecret);
export type HSMSecretCustomizeRequest = Static<typeof HSMSecretCustomizeRequest>;

/** The annotation whose every new value has the token read at once. */
export const FORCE_SYNC = "hsm.j5t.io/force-sync";

/** The annotation that resolves the conflict that the status shows: `hsm` or `secret`. */
export const RESOLVE = "hsm.j5t.io/resolve";
