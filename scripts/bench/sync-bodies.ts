// SPDX-License-Identifier: Apache-2.0
// Builds the bodies of settled HSMSecrets' syncs as Metacontroller 4.17.2 sends them: copies of a recorded one with other
// names.
import { readFileSync } from "node:fs";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { checksumOfBase64, keyedChecksums } from "../../hooks/checksum.ts";
import { toBase64Map } from "../../hooks/formats.ts";
import { assess, HSMSecretSyncRequest, judge, sync } from "../../hooks/hsmsecret/index.ts";
import type { Reading } from "../../hooks/hsmsecret/reading.ts";
import { StringMap } from "../../hooks/kubernetes.ts";
import { checksumKeyOf } from "../../server/http/auth.ts";

const RECORDED = new URL(
  "../../test/fixtures/metacontroller-4.17.2/hsmsecret-sync-owned-child-ssa.json",
  import.meta.url,
);
const Recording = Type.Object({ body: Type.Unknown() });
const Applied = Type.Object({
  metadata: Type.Object({ labels: Type.Optional(StringMap), annotations: Type.Optional(StringMap) }),
});
const NOW = "2026-01-01T00:00:00Z";
/** As the webhook of the bench has them, which reads no token. */
export const CHECKSUMS = keyedChecksums([checksumKeyOf("")], false);

/** A found Secret of these keys. */
export const foundReading = (
  keys: Readonly<Record<string, string>>,
): Extract<Reading, { outcome: "found" }> => {
  const data = toBase64Map(Object.entries(keys));
  return { outcome: "found", data, checksum: checksumOfBase64(data), version: 1, device: "bench" };
};

const recordedAs = (index: number): HSMSecretSyncRequest => {
  const recording: unknown = JSON.parse(readFileSync(RECORDED, "utf8"));
  if (!Value.Check(Recording, recording)) throw new Error("not a recording");
  const uid = `68455439-0481-4aba-a161-${String(index).padStart(12, "0")}`;
  const text = JSON.stringify(recording.body)
    .replaceAll("demo/app", `bench/s${index}`)
    .replaceAll('"namespace":"demo"', '"namespace":"bench"')
    .replaceAll('"name":"app"', `"name":"s${index}"`)
    .replaceAll("68455439-0481-4aba-a161-cd23399165db", uid)
    .replaceAll('"f:password":{}', '"f:password":{},"f:username":{}');
  const body: unknown = JSON.parse(text);
  if (!Value.Check(HSMSecretSyncRequest, body)) throw new Error("not a sync request");
  return body;
};

/** The request, after what the hook answers to it has been done often enough for nothing to be left to do. */
const settle = (request: HSMSecretSyncRequest, reading: Reading): object => {
  for (let round = 0; round < 4; round += 1) {
    const context = { policy: [], agents: [], checksums: CHECKSUMS, now: NOW };
    const { outcome, response } = sync(judge(assess(request, context), reading));
    request.parent.status = response.status ?? {};
    if (outcome === "Synced" && round > 0) return response;
    const secrets = [request.children["Secret.v1"], request.related["Secret.v1"]];
    for (const secret of secrets.flatMap((group) => Object.values(group ?? {}))) {
      const [child] = response.children;
      if (!Value.Check(Applied, child)) throw new Error("a child without metadata");
      secret.metadata.labels = { ...secret.metadata.labels, ...child.metadata.labels };
      secret.data = reading.outcome === "found" ? { ...reading.data } : {};
    }
  }
  throw new Error("the recorded sync does not settle");
};

/** Bodies of syncs of HSMSecrets bench/s0 and following that hold `reading`, and the hook's answer to the first. */
export const settledSyncs = (count: number, reading: Reading): { bodies: string[]; answer: object } => {
  const requests = Array.from({ length: count }, (_, index) => recordedAs(index));
  const answers = requests.map((request) => settle(request, reading));
  return { bodies: requests.map((request) => JSON.stringify(request)), answer: answers[0] ?? {} };
};

/** What a server of the figures is started with. */
export const ServerStart = Type.Object({
  keys: Type.Record(Type.String(), Type.String()),
  answer: Type.Record(Type.String(), Type.Unknown()),
});
export type ServerStart = Static<typeof ServerStart>;
export const ServerStarted = Type.Object({ port: Type.Integer() });
