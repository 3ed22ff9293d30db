// SPDX-License-Identifier: Apache-2.0
// Tests that an HSMDevice is read back from the API server: an older copy, one of another object, and an API server that is away.
import { readFileSync } from "node:fs";
import t from "tap";
import type { HSMDevice } from "../../hooks/hsmdevice/schema.ts";
import { runServer } from "../../scripts/control-plane/test/api/running-server.ts";
import { openKubernetesClient } from "../../server/kubernetes/client.ts";
import { createStatusCheck } from "../../server/webhook/status-check.ts";
import { recordedLog } from "../http/recorded-log.ts";

const definition = readFileSync(
  new URL("../../manifests/crds/hsmdevice/hsmdevices.yaml", import.meta.url),
  "utf8",
);
const metadata = { name: "pico", namespace: "default" };
const input = {
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMDevice",
  metadata,
  spec: { deviceType: "PicoHSM", pkcs11: { pinSecret: { name: "pin" } } },
};

t.test("an HSMDevice counts as the API server has it, and as no older copy", async (t) => {
  const server = await runServer(t);
  await server.kubectl("apply --server-side -f -", { input: definition });
  await server.kubectl("wait --for=condition=Established crd/hsmdevices.hsm.j5t.io");
  const kubectl = async (line: string): Promise<HSMDevice> => {
    const answer = await server.kubectl(`${line} -o json`, { input });
    t.equal(answer.code, 0, answer.stderr);
    return JSON.parse(answer.stdout);
  };
  const made = await kubectl("create -f -");
  const { logger } = recordedLog();
  const checkAt = (origin: string) => {
    const config = { origin, pathPrefix: "", credentials: { kind: "none" } } as const;
    const check = createStatusCheck(openKubernetesClient({ config, logger, timeoutMs: 1500 }), logger);
    t.teardown(() => check.close());
    return check;
  };
  const check = checkAt(server.url);
  t.equal(await check.age(made), "current");
  t.equal(await check.age({ ...made, metadata: { ...made.metadata, uid: "other" } }), "outdated");
  t.equal(await check.age({ ...made, metadata: { ...made.metadata, name: "none" } }), "outdated");
  const { resourceVersion: _, ...forged } = made.metadata;
  t.equal(await check.age({ ...made, metadata: forged }), "outdated");
  await kubectl("label hsmdevices.hsm.j5t.io pico a=b");
  const changed = await kubectl("get hsmdevices.hsm.j5t.io pico");
  t.equal(await check.age(made), "outdated");
  t.equal(await check.age(changed), "current");
  t.equal(await checkAt("http://127.0.0.1:1").age(made), "unknown");
});
