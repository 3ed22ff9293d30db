// SPDX-License-Identifier: Apache-2.0
// Tests the checksums of statuses and annotations: never plain ones, migrated from versions that showed those, and migrated
// through a change of the key without a Secret or a conflict.
import t from "tap";
import { type ChecksumKey, checksumOfBase64, keyedChecksums } from "../../../hooks/checksum.ts";
import type { HookContext } from "../../../hooks/hsmsecret/index.ts";
import type { HSMSecretSpec } from "../../../hooks/hsmsecret/schema.ts";
import type { Secret, StringMap } from "../../../hooks/kubernetes.ts";
import { plan, planWrite, sync } from "./hooks.ts";
import {
  base64,
  checksumKey,
  context,
  found,
  later,
  type RequestParts,
  request,
  secret,
  unchanged,
} from "./request.ts";

const [old, next] = [checksumKey("0000000a"), checksumKey("0000000b")];
const under = (keys: readonly [ChecksumKey, ...ChecksumKey[]], renews = false): HookContext => ({
  ...later,
  checksums: keyedChecksums(keys, renews),
});
const pin = { pin: "271828" };
const plain = checksumOfBase64(base64(pin));
const BOTH: readonly HSMSecretSpec[] = [{}, { writeBack: "OnChange" }, { autoSync: false }];

/** An HSMSecret that has come to rest under `where`, with its Secret as it was made. */
const rested = (spec: HSMSecretSpec, where: HookContext): RequestParts & { owned: [Secret] } => {
  const made = sync(request({ spec }), where, found(pin)).response.children[0];
  const annotations = (made?.metadata as { annotations?: StringMap } | undefined)?.annotations ?? {};
  const owned: [Secret] = [secret(pin, { annotations })];
  const status = sync(request({ spec, owned }), where, found(pin)).response.status ?? {};
  return { spec, owned, status };
};

/** `parts` as versions left them that showed plain checksums. */
const withPlain = (parts: ReturnType<typeof rested>): typeof parts =>
  JSON.parse(JSON.stringify(parts).replaceAll(/hmac-sha256:[0-9a-f]{8}:[0-9a-f]{64}/g, plain));

for (const spec of BOTH) {
  const name = JSON.stringify(spec);
  t.test(`${name}: nobody can guess a short value from what is shown`, async (t) => {
    const { response } = sync(request({ spec }), context, found(pin));
    const { status, owned } = rested(spec, context);
    const shown = JSON.stringify([
      response.status,
      response.children[0]?.metadata,
      status,
      owned[0].metadata,
    ]);
    t.notMatch(shown, plain.slice("sha256:".length));
    t.match(JSON.stringify(status), context.checksums.of(plain));
  });

  t.test(`${name}: plain checksums are carried over without touching the Secret`, async (t) => {
    const before = withPlain(rested(spec, context));
    t.match(JSON.stringify(before.status), plain, "the status shows them");
    const { response, outcome, events } = sync(request(before), later, found(pin));
    t.equal(outcome, "Synced");
    t.same(events, []);
    t.same(
      (response.children[0]?.metadata as Secret["metadata"]).annotations ?? {},
      before.owned[0].metadata.annotations ?? {},
    );
    t.notMatch(JSON.stringify(response.status), plain);
    t.equal(response.status?.lastSyncTime, before.status?.lastSyncTime, "nothing has happened");
    const planned = plan(request(before), later);
    if (planned.read && planned.ifNoneMatch !== undefined) {
      t.notMatch(JSON.stringify(sync(request(before), later, unchanged).response.status), plain);
    }
  });

  t.test(`${name}: while both keys are known nothing changes, then all is renewed`, async (t) => {
    const before = rested(spec, under([old]));
    for (const keys of [
      [old, next],
      [next, old],
    ] as const) {
      const { response } = sync(request(before), under(keys), found(pin));
      t.same(response.status, before.status);
      t.same(
        (response.children[0]?.metadata as Secret["metadata"]).annotations ?? {},
        before.owned[0].metadata.annotations ?? {},
      );
    }
    const renewing = under([next, old], true);
    const { response, outcome } = sync(request(before), renewing, found(pin));
    t.equal(outcome, "Synced");
    t.same(response.children[0]?.data, base64(pin));
    t.notMatch(JSON.stringify([response.status, response.children]), /hmac-sha256:0000000a/);
    t.equal(response.status?.lastSyncTime, before.status?.lastSyncTime);
  });

  t.test(`${name}: after a key has gone the token is read in full once, and nothing is wrong`, async (t) => {
    const before = rested(spec, under([old]));
    const planned = plan(request(before), under([next]));
    t.match(planned, { read: true });
    t.equal(planned.read && planned.ifNoneMatch, undefined);
    t.equal(planWrite(request(before), under([next]), found(pin)), undefined);
    const { response, outcome } = sync(request(before), under([next]), found(pin));
    t.equal(outcome, "Synced");
    t.same(response.children[0]?.data, base64(pin));
    const after = { ...before, status: response.status ?? {} };
    const again = plan(request(after), under([next]));
    t.equal(again.read, spec.autoSync !== false);
  });
}

t.test("an edit that nobody can compare with what was given is a Conflict, not a loss", async (t) => {
  const spec: HSMSecretSpec = { writeBack: "OnChange" };
  const before = rested(spec, under([old]));
  const edited = { ...before.owned[0], data: base64({ pin: "314159" }) };
  const input = request({ ...before, owned: [edited] });
  t.equal(planWrite(input, under([next]), found(pin)), undefined);
  const { response, outcome } = sync(input, under([next]), found(pin));
  t.equal(outcome, "Conflict");
  t.same(response.children[0]?.data, edited.data);
});
