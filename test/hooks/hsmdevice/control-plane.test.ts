// SPDX-License-Identifier: Apache-2.0
// Tests that an API server takes what the HSMDevice hooks answer, the example of the document, and the status, as kubectl shows it.
import { readFileSync } from "node:fs";
import t from "tap";
import { parse, parseAllDocuments } from "yaml";
import { runServer } from "../../../scripts/control-plane/test/api/running-server.ts";
import { CRDS } from "../../../scripts/crd.ts";
import { pico, World } from "./world.ts";

const APPLY = "apply --server-side --validate=strict -f -";
const documentation = readFileSync(new URL("../../../docs/hsmdevice.md", import.meta.url), "utf8");

t.test("children, example and status", async (t) => {
  const server = await runServer(t);
  const apply = async (...items: unknown[]) => {
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    const { code, stderr } = await server.kubectl(APPLY, { input: list });
    t.equal(code, 0, stderr);
  };
  const [, example = ""] = /```yaml\n(apiVersion: hsm[^`]+)```/.exec(documentation) ?? [];
  t.equal(parseAllDocuments(example).length, 1);
  const device = parse(example);
  await apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "keyswitch" } },
    CRDS["hsmdevice/hsmdevices.yaml"],
  );
  await apply(device);

  const world = new World({ a: [pico("A")], b: [pico("B")] });
  world.spec = device.spec;
  world.run(20);
  t.equal(world.children.length, 4);
  await apply(...world.children);

  const path = "/apis/hsm.j5t.io/v1alpha1/namespaces/keyswitch/hsmdevices/pico";
  const stored = await server.read(path);
  const status = JSON.parse(JSON.stringify(world.status));
  const { code, body } = await server.call("PUT", `${path}/status`, { ...stored, status });
  t.equal(code, 200, JSON.stringify(body));
  t.strictSame(body.status, status, "nothing of it is dropped");
  const shown = await server.kubectl("get hsmdev -n keyswitch");
  t.match(shown.stdout, /NAME +TYPE +PHASE +DEVICES +AGE\npico +PicoHSM +Ready +2\/2 /);
});
