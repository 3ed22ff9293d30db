// SPDX-License-Identifier: Apache-2.0
// Writes what Kubernetes gives a pod for its service account: the API server's address, a CA, and a bearer token.
import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Kubectl } from "./kubectl.ts";

const Config = Type.Object({
  clusters: Type.Tuple([
    Type.Object({
      cluster: Type.Object({
        server: Type.String(),
        "certificate-authority-data": Type.Optional(Type.String()),
      }),
    }),
  ]),
});

/** A certificate for 127.0.0.1 with its CA, in PEM. */
export type Certificate = { readonly cert: string; readonly key: string; readonly ca: string };

export interface ServiceAccount {
  /** Where the API server is, and the folder of the files. */
  readonly env: Readonly<Record<string, string>>;
  close(): void;
}

/** Puts TLS before an API server that has none, for a client that goes to no other. */
const frontOf = async (url: URL, { cert, key }: Certificate): Promise<{ port: number; close(): void }> => {
  const server = createServer({ cert, key }, (socket) => {
    const behind = connect(Number(url.port), url.hostname);
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      one.on("error", () => other.destroy()).pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
};

/**
 * The service account `name` of `namespace`, its files in `folder`. On a real API server it has the rights of the manifests;
 * the local one, which asks for no credentials, gets TLS with `certificate` before it.
 */
export const serviceAccountOf = async (
  kubectl: Kubectl,
  {
    name,
    namespace,
    folder,
    certificate,
  }: {
    name: string;
    namespace: string;
    folder: string;
    certificate: Certificate;
  },
): Promise<ServiceAccount> => {
  const text = await kubectl(["config", "view", "--raw", "--flatten", "--minify", "-o", "json"]);
  const config: unknown = JSON.parse(text);
  if (!Value.Check(Config, config)) throw new Error("kubectl config view showed no cluster");
  const [{ cluster }] = config.clusters;
  const url = new URL(cluster.server);
  const real = url.protocol === "https:";
  const front = real ? { port: Number(url.port || 443), close: () => {} } : await frontOf(url, certificate);
  const bearerToken = real ? await kubectl(["create", "token", name, "-n", namespace]) : "none-is-asked-for";
  const ca = Buffer.from(cluster["certificate-authority-data"] ?? "", "base64").toString() || certificate.ca;
  mkdirSync(folder);
  writeFileSync(join(folder, "token"), bearerToken.trim(), { mode: 0o600 });
  writeFileSync(join(folder, "ca.crt"), ca);
  return {
    env: {
      KUBERNETES_SERVICE_HOST: real ? url.hostname : "127.0.0.1",
      KUBERNETES_SERVICE_PORT: String(front.port),
      SERVICE_ACCOUNT_FOLDER: folder,
    },
    close: front.close,
  };
};
