// SPDX-License-Identifier: Apache-2.0
// The component over Metacontroller's own manifests sets its arguments, whichever workload they have, and nothing else.

import { Type } from "@sinclair/typebox";
import t from "tap";
import { as, rendered } from "./rendered.ts";

const Args = Type.Object({
  spec: Type.Object({
    template: Type.Object({
      spec: Type.Object({
        containers: Type.Tuple([Type.Object({ args: Type.Array(Type.String()), image: Type.String() })]),
      }),
    }),
  }),
});

for (const [folder, kind] of [
  ["stateful-set", "StatefulSet"],
  ["deployment", "Deployment"],
] as const) {
  t.test(`over a ${kind}`, async (t) => {
    const [manifest, ...rest] = rendered(`test/fixtures/metacontroller-manifests/${folder}`);
    t.equal(manifest?.kind, kind);
    t.equal(rest.length, 0);
    const [{ args, image }] = as(Args, manifest).spec.template.spec.containers;
    t.equal(image, "metacontroller:stub");
    const flags = new Map(args.map((arg) => [arg.split("=")[0], arg.split("=")[1]]));
    t.equal(flags.size, args.length, "no argument is there twice");
    t.equal(flags.get("--apply-strategy"), "server-side-apply");
    t.equal(flags.get("--client-go-qps"), "200");
    t.equal(flags.get("--client-go-burst"), "400");
    t.equal(flags.get("--workers"), "10");
    t.ok(Number(flags.get("--zap-log-level")) < 6, "webhook bodies are not logged");
  });
}
