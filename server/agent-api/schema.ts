// SPDX-License-Identifier: Apache-2.0
// Defines the schemas of the agent's HTTP API (JSON), shared by the agent and its clients: one secret, the list of secrets, and
// the token. Bulk requests are in bulk-schema.ts.
import { FormatRegistry, type Static, type TSchema, Type } from "@sinclair/typebox";
import { isBase64 } from "../../hooks/formats.ts";
import { Quota } from "../../hooks/quota.ts";

/** `sha256:` and 64 hex digits; see hooks/checksum.ts. */
export const Checksum = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

/** How a secret lies on the token; see STORAGE_LAYOUT. */
export const Layout = Type.Union([Type.Literal("packed"), Type.Literal("per-key")]);
export type Layout = Static<typeof Layout>;

/** What a writer says of a secret beside its values. `labels` with the prefix `sync.` are the agent's own. */
export const SecretMetadata = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 1024 })),
    labels: Type.Optional(Type.Record(Type.String(), Type.String({ maxLength: 256 }), { maxProperties: 32 })),
    format: Type.Optional(Type.String({ maxLength: 64 })),
    dataType: Type.Optional(Type.String({ maxLength: 64 })),
    createdAt: Type.Optional(Type.String({ maxLength: 64 })),
    source: Type.Optional(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: false },
);
export type SecretMetadata = Static<typeof SecretMetadata>;

const orNull = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));

/** What a merge patch says of the metadata: fields and labels to set, and with null to remove. */
export const MetadataPatch = Type.Object(
  {
    description: orNull(Type.String({ maxLength: 1024 })),
    labels: orNull(
      Type.Record(Type.String(), Type.Union([Type.String({ maxLength: 256 }), Type.Null()]), {
        maxProperties: 32,
      }),
    ),
    format: orNull(Type.String({ maxLength: 64 })),
    dataType: orNull(Type.String({ maxLength: 64 })),
    createdAt: orNull(Type.String({ maxLength: 64 })),
    source: orNull(Type.String({ maxLength: 256 })),
  },
  { additionalProperties: false },
);
export type MetadataPatch = Static<typeof MetadataPatch>;

/** Metadata as the token has it: what another program wrote is passed on as it is. */
export const StoredMetadata = Type.Object({
  description: Type.Optional(Type.String()),
  labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  format: Type.Optional(Type.String()),
  dataType: Type.Optional(Type.String()),
  createdAt: Type.Optional(Type.String()),
  source: Type.Optional(Type.String()),
});
export type StoredMetadata = Static<typeof StoredMetadata>;

/** `GET /v1/secrets/{path}`: base64 values by key. Served with `ETag: "<checksum>"`. */
export const SecretBody = Type.Object({
  path: Type.String(),
  data: Type.Record(Type.String(), Type.String()),
  checksum: Checksum,
  version: Type.Integer({ minimum: 0 }),
  /** The epoch of the set in which it was written; absent where it was written outside one. */
  epoch: Type.Optional(Type.Integer({ minimum: 1 })),
  /** The last version of each earlier epoch that this write has replaced, `[epoch, version]`; absent: none. */
  history: Type.Optional(
    Type.Array(Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })]), { maxItems: 16 }),
  ),
  device: Type.String(),
  layout: Type.Optional(Layout),
  metadata: Type.Optional(StoredMetadata),
});
export type SecretBody = Static<typeof SecretBody>;

/** One row of `GET /v1/secrets?prefix=`: never a value. `bytes` is the sum of the values' lengths. */
export const SecretSummary = Type.Object({
  path: Type.String(),
  checksum: Checksum,
  keys: Type.Array(Type.String()),
  bytes: Type.Integer({ minimum: 0 }),
  version: Type.Integer({ minimum: 0 }),
  epoch: Type.Optional(Type.Integer({ minimum: 1 })),
  layout: Type.Optional(Layout),
});
export type SecretSummary = Static<typeof SecretSummary>;

/**
 * What a list can't show as a secret. `label`: an object whose label can't be a key's; `path` is the secret that it was meant for, null
 * where that can't be told. `public`: an object that anybody can have made without the PIN. `content`: a path whose objects can't be understood, which is also its label.
 */
export const ObjectProblem = Type.Object({
  label: Type.String(),
  path: Type.Union([Type.String(), Type.Null()]),
  problem: Type.Union([Type.Literal("label"), Type.Literal("public"), Type.Literal("content")]),
});
export type ObjectProblem = Static<typeof ObjectProblem>;

/** `invalid` names what is left out; at most 1,000 objects. */
export const SecretListBody = Type.Object({
  secrets: Type.Array(SecretSummary),
  invalid: Type.Optional(Type.Array(ObjectProblem)),
});
export type SecretListBody = Static<typeof SecretListBody>;

FormatRegistry.Set("base64", isBase64);

/** Base64 (RFC 4648, section 4), padded and canonical; the empty value is the empty string. */
export const Base64 = Type.String({ format: "base64" });

/** `PUT /v1/secrets/{path}`: the secret shall be exactly this. Fields of the metadata that are left out stay as they are. */
export const PutBody = Type.Object(
  {
    data: Type.Record(Type.String(), Base64, { minProperties: 1 }),
    metadata: Type.Optional(SecretMetadata),
    quota: Type.Optional(Quota),
  },
  { additionalProperties: false },
);
export type PutBody = Static<typeof PutBody>;

/** `PATCH /v1/secrets/{path}` (RFC 7396): what to set, and with null to remove. The secret must be there. */
export const PatchBody = Type.Object(
  {
    data: Type.Optional(Type.Record(Type.String(), Type.Union([Base64, Type.Null()]))),
    metadata: Type.Optional(MetadataPatch),
    quota: Type.Optional(Quota),
  },
  { additionalProperties: false },
);
export type PatchBody = Static<typeof PatchBody>;

/** What a write came to. `unchanged`: the token held exactly this already and was not touched. */
export const WriteOutcome = Type.Union([
  Type.Literal("created"),
  Type.Literal("changed"),
  Type.Literal("unchanged"),
]);
export type WriteOutcome = Static<typeof WriteOutcome>;

/** The answer to PUT (201 when created, else 200), PATCH and DELETE of a key (200): never a value. With `ETag`. */
export const WriteBody = Type.Object({
  path: Type.String(),
  outcome: WriteOutcome,
  checksum: Checksum,
  keys: Type.Array(Type.String()),
  version: Type.Integer({ minimum: 0 }),
  device: Type.String(),
});
export type WriteBody = Static<typeof WriteBody>;

/** The answer to `DELETE /v1/secrets/{path}`, and to DELETE of its last key. `checksum` is what was deleted. */
export const DeleteBody = Type.Object({
  path: Type.String(),
  outcome: Type.Literal("deleted"),
  checksum: Type.Union([Checksum, Type.Null()]),
  device: Type.String(),
});
export type DeleteBody = Static<typeof DeleteBody>;

/** `POST /v1/repair`. `dryRun`: nothing is changed, the answer says what would be. */
export const RepairBody = Type.Object(
  { dryRun: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);
export type RepairBody = Static<typeof RepairBody>;

/**
 * One thing that is wrong on the token. `unreadable`: the value of the object with this label can't be read. `damaged-name`:
 * a secret with an object whose name has to be written again. `leftover`: what a write that was cut has left at a path.
 */
export const RepairResult = Type.Object({
  label: Type.String(),
  problem: Type.Union([Type.Literal("unreadable"), Type.Literal("damaged-name"), Type.Literal("leftover")]),
  outcome: Type.Union([Type.Literal("repaired"), Type.Literal("would-repair"), Type.Literal("failed")]),
  message: Type.Optional(Type.String()),
});
export type RepairResult = Static<typeof RepairResult>;

/** The answer to repair, in the order of the labels. */
export const RepairResults = Type.Object({ device: Type.String(), results: Type.Array(RepairResult) });
export type RepairResults = Static<typeof RepairResults>;

/** `POST /v1/pin`: answered with 204. The PIN file must then be given the new PIN. */
export const PinBody = Type.Object(
  {
    currentPin: Type.String({ minLength: 1, maxLength: 255 }),
    /** One line, as it has to stand in a PIN file. */
    newPin: Type.String({
      minLength: 4,
      maxLength: 255,
      pattern: "^(?!\\s)[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]*(?<!\\s)$",
    }),
  },
  { additionalProperties: false },
);
export type PinBody = Static<typeof PinBody>;

/** `GET /v1/info`, and the answer to `POST /v1/refresh`, which loads the token anew first. Sizes are bytes; null where the token does not say. `viewAgeMs`: how old the agent's view of the token is. */
export const DeviceInfo = Type.Object({
  device: Type.String(),
  node: Type.String(),
  module: Type.String(),
  cache: Type.Union([Type.Literal("live"), Type.Literal("cached")]),
  token: Type.Object({
    label: Type.String(),
    manufacturer: Type.String(),
    model: Type.String(),
    serial: Type.String(),
    firmware: Type.String(),
  }),
  freeBytes: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  totalBytes: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  objects: Type.Integer({ minimum: 0 }),
  /** How many data objects the token takes, as configured or as its behaviour has shown; null while not known. */
  objectLimit: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  objectLimitSource: Type.Union([
    Type.Literal("configured"),
    Type.Literal("learned"),
    Type.Literal("module"),
    Type.Null(),
  ]),
  /** Data objects whose name has more behind it than was meant, and those whose value can't be read: `kubectl hsm repair`. */
  damagedNames: Type.Integer({ minimum: 0 }),
  unreadableObjects: Type.Integer({ minimum: 0 }),
  /** Data objects whose label can't be a key's, and which so count for nothing: `kubectl hsm list --invalid`. */
  invalidLabels: Type.Integer({ minimum: 0 }),
  /** Data objects of secrets that are not private, so that anybody can have made them without the PIN. */
  publicObjects: Type.Integer({ minimum: 0 }),
  /** The largest value of one object; a larger secret is split over several. Null: the token sets no limit. */
  maxObjectBytes: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  /** Which layout writes make. */
  layout: Layout,
  /** Whether the agent takes writes at all (WRITE_TOKEN_FILE). */
  writable: Type.Boolean(),
  viewAgeMs: Type.Integer({ minimum: 0 }),
});
export type DeviceInfo = Static<typeof DeviceInfo>;

/** One USB device of the node. `type` is set for the kinds of token that are known by their ids. */
export const UsbDevice = Type.Object({
  bus: Type.String(),
  vendorId: Type.String({ pattern: "^[0-9a-f]{4}$" }),
  productId: Type.String({ pattern: "^[0-9a-f]{4}$" }),
  serial: Type.Union([Type.String(), Type.Null()]),
  type: Type.Union([Type.Literal("PicoHSM"), Type.Literal("SmartCard-HSM"), Type.Null()]),
});
export type UsbDevice = Static<typeof UsbDevice>;

/** `GET /v1/devices`: what the node of the agent sees on USB. */
export const DeviceListBody = Type.Object({ node: Type.String(), devices: Type.Array(UsbDevice) });
export type DeviceListBody = Static<typeof DeviceListBody>;
