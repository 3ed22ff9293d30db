// SPDX-License-Identifier: Apache-2.0
// Defines the schemas of the agent API's bulk requests: export, import and repack.
import { type Static, Type } from "@sinclair/typebox";
import { Base64, Checksum, Layout, SecretMetadata, StoredMetadata, WriteOutcome } from "./schema.ts";

/** One secret of an import: also as an export gives it. */
export const ImportedSecret = Type.Object(
  {
    path: Type.String(),
    data: Type.Record(Type.String(), Base64, { minProperties: 1 }),
    metadata: Type.Optional(SecretMetadata),
    /** Not compared. */
    checksum: Type.Optional(Checksum),
    version: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);
export type ImportedSecret = Static<typeof ImportedSecret>;

/** One secret of an export. */
export const ExportedSecret = Type.Object({
  path: Type.String(),
  data: Type.Record(Type.String(), Type.String()),
  metadata: Type.Optional(StoredMetadata),
  checksum: Checksum,
  version: Type.Integer({ minimum: 0 }),
});
export type ExportedSecret = Static<typeof ExportedSecret>;

/** `GET /v1/export?prefix=`, with the write token: every secret with its values, sorted by path. */
export const ExportBody = Type.Object({ device: Type.String(), secrets: Type.Array(ExportedSecret) });
export type ExportBody = Static<typeof ExportBody>;

/** `POST /v1/import`: each secret is written by itself, in the order given; one that fails does not stop the others. */
export const ImportBody = Type.Object(
  {
    secrets: Type.Array(ImportedSecret, { maxItems: 1000 }),
    /** What becomes of a secret whose path holds something else already: left (default), replaced, or an error. */
    ifExists: Type.Optional(
      Type.Union([Type.Literal("skip"), Type.Literal("replace"), Type.Literal("fail")]),
    ),
  },
  { additionalProperties: false },
);
export type ImportBody = Static<typeof ImportBody>;

/** What became of one secret of an import or repack. `code` and `message` are those of a failure. */
export const ItemResult = Type.Object({
  path: Type.String(),
  outcome: Type.Union([
    WriteOutcome,
    Type.Literal("skipped"),
    Type.Literal("repacked"),
    Type.Literal("failed"),
  ]),
  checksum: Type.Optional(Checksum),
  code: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
});
export type ItemResult = Static<typeof ItemResult>;

/** The answer to import and repack, an item for each asked, in their order. */
export const ItemResults = Type.Object({ device: Type.String(), results: Type.Array(ItemResult) });
export type ItemResults = Static<typeof ItemResults>;

/** `POST /v1/repack`: moves these secrets to the layout (default: the agent's own). One that is there is unchanged. */
export const RepackBody = Type.Object(
  {
    paths: Type.Array(Type.String(), { maxItems: 1000 }),
    layout: Type.Optional(Layout),
  },
  { additionalProperties: false },
);
export type RepackBody = Static<typeof RepackBody>;
