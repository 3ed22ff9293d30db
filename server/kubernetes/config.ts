// SPDX-License-Identifier: Apache-2.0
// Configures the Kubernetes API server and the credentials for it: a kubeconfig, or the pod's service account.
import { delimiter, join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { DNS_LABEL } from "../../hooks/formats.ts";
import type { Secret } from "../config/secret.ts";
import { fixedSecret } from "../config/secret.ts";
import { file, text, type ValuesOf } from "../config/variable-table.ts";
import { readChecked, type VariableReader } from "../config/variables.ts";
import type { ClientCertificate } from "../http/http-pool.ts";
import type { ExecPlugin } from "./exec-plugin.ts";
import {
  inClusterAccess,
  inClusterVariables,
  readInCluster,
  SERVICE_ACCOUNT_DIRECTORY,
} from "./in-cluster.ts";
import { loadKubeconfig } from "./kubeconfig.ts";
import { isProxied, parseProxy } from "./proxy.ts";

/** The variables of who talks to the API server. */
export const KUBERNETES_VARIABLES = {
  KUBECONFIG: file({ description: "one kubeconfig file; unset: the pod's service account" }),
  HTTPS_PROXY: text({
    alias: "https_proxy",
    description:
      "proxy to the API server of a kubeconfig that has no `proxy-url`, an `http://` or `https://` address; for nothing else",
  }),
  NO_PROXY: text({
    alias: "no_proxy",
    description: "hosts that `HTTPS_PROXY` is not for: names, addresses and ranges of them, comma-separated",
  }),
  ...inClusterVariables(),
};
type KubernetesReader = VariableReader<ValuesOf<typeof KUBERNETES_VARIABLES>>;

/** What a request carries. `none` is for a server that asks for nothing, such as `kubectl proxy`. */
export type KubernetesCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: Secret }
  /** Read again when it changes: the kubelet rotates the tokens of service accounts. */
  | { readonly kind: "token-file"; readonly path: string }
  | { readonly kind: "client-certificate"; readonly certificate: ClientCertificate }
  /** Runs when credentials are needed, not when the configuration is read. */
  | { readonly kind: "exec"; readonly plugin: ExecPlugin };

export type KubernetesConfig = {
  /** `https://host:port`; `http://` on loopback alone. */
  origin: string;
  /** What comes before `/api` and `/apis`: empty, or a path without a slash at its end. */
  pathPrefix: string;
  /** The name that the server's certificate must have, where it is not the host. */
  serverName?: string;
  /** Trusted beside nothing else; without it the system's CAs are. */
  ca?: { readonly file: string } | { readonly pem: string };
  /** The address of an HTTP proxy, which may hold a password. */
  proxy?: Secret;
  credentials: KubernetesCredentials;
  /** The namespace of the kubeconfig's context, or the pod's own. */
  namespace?: string;
};

/** What the kubelet writes beside the token. */
const Namespace = Type.String({ pattern: DNS_LABEL });

/**
 * The way to the API server; undefined when a fault was reported. KUBECONFIG goes before the pod's service account.
 * @param serviceAccountDirectory where Kubernetes mounts the service account
 */
export const readKubernetes = (
  reader: KubernetesReader,
  serviceAccountDirectory: string = SERVICE_ACCOUNT_DIRECTORY,
): KubernetesConfig | undefined => {
  const kubeconfig = reader.raw("KUBECONFIG");
  if (kubeconfig !== undefined) return readKubeconfig(reader, kubeconfig);
  const faults = reader.faults.length;
  const inCluster = readInCluster(reader, serviceAccountDirectory);
  if (inCluster !== undefined) {
    const namespace = readNamespace(join(serviceAccountDirectory, "namespace"));
    return {
      ...inClusterAccess(inCluster),
      ...(namespace !== undefined && { namespace }),
    };
  }
  if (reader.faults.length === faults) {
    reader.fault(
      "KUBECONFIG",
      `must name a kubeconfig file; only in a pod with a mounted service account (KUBERNETES_SERVICE_HOST, ` +
        `KUBERNETES_SERVICE_PORT, ${serviceAccountDirectory}) can it be left out`,
    );
  }
  return undefined;
};

const readKubeconfig = (reader: KubernetesReader, path: string): KubernetesConfig | undefined => {
  // kubectl merges a list; which file a setting came from would be hard to see, so we take one.
  if (path.includes(delimiter)) {
    reader.fault(
      "KUBECONFIG",
      "must name one file: a list is not merged (kubectl config view --flatten does)",
    );
    return undefined;
  }
  if (reader.value("KUBECONFIG") === undefined) return undefined;
  const content = readChecked(path);
  const loaded = content.ok ? loadKubeconfig(content.bytes, path, reader.inheritable()) : content;
  if (loaded.ok) return loaded.config.proxy === undefined ? proxied(reader, loaded.config) : loaded.config;
  reader.fault("KUBECONFIG", `${path} ${loaded.message}`);
  return undefined;
};

/** With the proxy of the environment, where it is for this server. */
const proxied = (reader: KubernetesReader, config: KubernetesConfig): KubernetesConfig | undefined => {
  const address = reader.value("HTTPS_PROXY");
  if (address === undefined || !isProxied(config.origin, reader.value("NO_PROXY") ?? "")) return config;
  const proxy = parseProxy(address);
  if (proxy.ok) return { ...config, proxy: fixedSecret(proxy.value, "HTTPS_PROXY") };
  reader.fault("HTTPS_PROXY", proxy.message);
  return undefined;
};

const readNamespace = (path: string): string | undefined => {
  const content = readChecked(path);
  const text = content.ok ? content.bytes.toString("utf8").trim() : undefined;
  return Value.Check(Namespace, text) ? text : undefined;
};
