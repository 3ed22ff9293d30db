// SPDX-License-Identifier: Apache-2.0
// Parses a kubeconfig file: the API server and the credentials of its current context.
import { dirname, resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { type Static, Type } from "@sinclair/typebox";
import { parse } from "yaml";
import { DNS_LABEL, fromBase64 } from "../../hooks/formats.ts";
import { isLoopback } from "../config/loopback.ts";
import { fixedSecret } from "../config/secret.ts";
import { isBearerToken, parseTokens } from "../config/token-file.ts";
import { type Environment, readChecked } from "../config/variables.ts";
import { compileSchema, details } from "../http/validation.ts";
import type { KubernetesConfig, KubernetesCredentials } from "./config.ts";
import { type ExecCluster, execPluginOf } from "./exec-plugin.ts";
import { parseProxy } from "./proxy.ts";

const Text = Type.String({ minLength: 1 });
const Base64 = Type.String({ minLength: 1, pattern: "^[A-Za-z0-9+/\\s]+[=\\s]*$" });

const Cluster = Type.Object({
  server: Text,
  "certificate-authority": Type.Optional(Text),
  "certificate-authority-data": Type.Optional(Base64),
  "insecure-skip-tls-verify": Type.Optional(Type.Boolean()),
  "tls-server-name": Type.Optional(Text),
  "proxy-url": Type.Optional(Type.String()),
  extensions: Type.Optional(
    Type.Array(Type.Object({ name: Type.Optional(Type.String()), extension: Type.Optional(Type.Unknown()) })),
  ),
});
type Cluster = Static<typeof Cluster>;

const User = Type.Object({
  "client-certificate": Type.Optional(Text),
  "client-certificate-data": Type.Optional(Base64),
  "client-key": Type.Optional(Text),
  "client-key-data": Type.Optional(Base64),
  token: Type.Optional(Type.String()),
  tokenFile: Type.Optional(Text),
  username: Type.Optional(Type.String()),
  as: Type.Optional(Type.String()),
  exec: Type.Optional(Type.Unknown()),
  "auth-provider": Type.Optional(Type.Unknown()),
});
type User = Static<typeof User>;

const Context = Type.Object({
  cluster: Text,
  user: Type.Optional(Type.String()),
  namespace: Type.Optional(Type.String({ pattern: `${DNS_LABEL}|^$` })),
});

/** As far as it is read; an unknown field passes. */
const Kubeconfig = Type.Object({
  "current-context": Type.Optional(Type.String()),
  clusters: Type.Optional(Type.Array(Type.Object({ name: Text, cluster: Cluster }))),
  contexts: Type.Optional(Type.Array(Type.Object({ name: Text, context: Context }))),
  users: Type.Optional(Type.Array(Type.Object({ name: Text, user: Type.Optional(User) }))),
});
type Kubeconfig = Static<typeof Kubeconfig>;
const compiled = compileSchema(Kubeconfig);

/** The message completes "<path> …" and cites neither credentials nor the file's text. */
type Loaded<T> = { ok: true; value: T } | { ok: false; message: string };
const fault = (message: string): { ok: false; message: string } => ({ ok: false, message });
const found = <T>(value: T): { ok: true; value: T } => ({ ok: true, value });

const USABLE = "a token, a tokenFile, an exec plugin, or a client-certificate with its client-key";

/** What is in a kubeconfig that we do not do, and what to use in its place. */
const unsupportedIn = (cluster: Cluster, user: User): string | undefined => {
  if (cluster["insecure-skip-tls-verify"]) {
    return "sets insecure-skip-tls-verify: give the cluster's certificate-authority instead";
  }
  if (user["auth-provider"] !== undefined) {
    return `has a user with an auth-provider, which Kubernetes has removed: use ${USABLE}`;
  }
  if (user.username) return `has a user with a password, which API servers do not take: use ${USABLE}`;
  if (user.as) return "has a user that impersonates another (as): use the credentials of the other";
  return undefined;
};

/**
 * The current context of a kubeconfig. Its relative paths are relative to the file.
 * @param inherited the environment that an exec plugin has beside its own
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
export const loadKubeconfig = (
  contents: Buffer,
  path: string,
  inherited: Environment,
): { ok: true; config: KubernetesConfig } | { ok: false; message: string } => {
  const document = documentOf(contents);
  if (!document.ok) return document;
  const current = currentOf(document.value);
  if (!current.ok) return current;
  const { cluster, user, namespace } = current.value;
  const unsupported = unsupportedIn(cluster, user);
  if (unsupported !== undefined) return fault(unsupported);
  const at = (relative: string): string => resolve(dirname(path), relative);
  const address = addressOf(cluster.server);
  if (!address.ok) return address;
  const ca = caOf(cluster, at);
  if (!ca.ok) return ca;
  const proxy = proxyOf(cluster);
  if (!proxy.ok) return proxy;
  const credentials =
    user.exec !== undefined
      ? pluginOf(user, clusterOf(cluster, ca.value), at, inherited)
      : credentialsOf(user, at);
  if (!credentials.ok) return credentials;
  const serverName = cluster["tls-server-name"];
  return {
    ok: true,
    config: {
      ...address.value,
      ...(serverName !== undefined && { serverName }),
      ...(ca.value && { ca: ca.value }),
      ...(proxy.value && { proxy: proxy.value }),
      credentials: credentials.value,
      ...(namespace && { namespace }),
    },
  };
};

const documentOf = (contents: Buffer): Loaded<Kubeconfig> => {
  const document = parsed(contents);
  if (document === undefined) return fault("is not YAML");
  if (compiled.Check(document)) return found(document);
  const [first] = details("kubeconfig", compiled.Errors(document));
  return fault(`is not a kubeconfig (${first?.field ?? "kubeconfig"}: ${first?.message ?? "unexpected"})`);
};

/** What the current context names. */
const currentOf = (
  document: Kubeconfig,
): Loaded<{ cluster: Cluster; user: User; namespace: string | undefined }> => {
  const current = document["current-context"];
  if (!current) return fault("has no current-context: set one with kubectl config use-context");
  const context = document.contexts?.find(({ name }) => name === current)?.context;
  if (context === undefined) return fault("has no context of the name that current-context has");
  const cluster = document.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  if (cluster === undefined) return fault("has no cluster of the name that the current context has");
  const entry = document.users?.find(({ name }) => name === context.user);
  if (context.user && entry === undefined) {
    return fault("has no user of the name that the current context has");
  }
  return found({ cluster, user: entry?.user ?? {}, namespace: context.namespace });
};

/** undefined for what is not YAML; its parser's errors cite the text. kubectl writes null for what is empty. */
const parsed = (contents: Buffer): unknown => {
  try {
    const document: unknown = parse(contents.toString("utf8"), (key, value: unknown) =>
      value === null && key !== "" ? undefined : value,
    );
    return document ?? null;
  } catch {
    return undefined;
  }
};

const addressOf = (server: string): Loaded<{ origin: string; pathPrefix: string }> => {
  const url = URL.parse(server);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return fault("has a server that is no https:// address");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return fault("has a server with more than a host, a port and a path");
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return fault("has a server with http:// beyond loopback: use https://");
  }
  return found({ origin: url.origin, pathPrefix: url.pathname.replace(/\/+$/, "") });
};

const caOf = (cluster: Cluster, at: (path: string) => string): Loaded<KubernetesConfig["ca"]> => {
  const data = cluster["certificate-authority-data"];
  const path = cluster["certificate-authority"];
  if (data !== undefined) {
    const pem = decoded(data);
    return isCa(pem) ? found({ pem }) : fault("has a certificate-authority-data that is no PEM certificate");
  }
  if (path === undefined) return found(undefined);
  const file = readChecked(at(path));
  if (!file.ok) return fault(`names the certificate-authority ${at(path)}, which ${file.message}`);
  return isCa(file.bytes.toString("latin1"))
    ? found({ file: at(path) })
    : fault(`names the certificate-authority ${at(path)}, which holds no PEM certificate`);
};

const proxyOf = (cluster: Cluster): Loaded<KubernetesConfig["proxy"]> => {
  const address = cluster["proxy-url"];
  if (!address) return found(undefined);
  const proxy = parseProxy(address);
  return proxy.ok
    ? found(fixedSecret(proxy.value, "KUBECONFIG"))
    : fault(`has a proxy-url that ${proxy.message}`);
};

/** What an exec plugin is told of the cluster, and the extension that is meant for it. */
const clusterOf = (cluster: Cluster, ca: KubernetesConfig["ca"]): ExecCluster => {
  const file = ca !== undefined && "file" in ca ? readChecked(ca.file) : undefined;
  const pem = ca !== undefined && "pem" in ca ? ca.pem : file?.ok ? file.bytes : undefined;
  const config = cluster.extensions?.find(({ name }) => name === "client.authentication.k8s.io/exec");
  return {
    server: cluster.server,
    ...(cluster["tls-server-name"] && { "tls-server-name": cluster["tls-server-name"] }),
    ...(pem !== undefined && { "certificate-authority-data": Buffer.from(pem).toString("base64") }),
    ...(cluster["proxy-url"] && { "proxy-url": cluster["proxy-url"] }),
    // null where there is none, as kubectl has it.
    config: config?.extension ?? null,
  };
};

const pluginOf = (
  user: User,
  cluster: ExecCluster,
  at: (path: string) => string,
  inherited: Environment,
): Loaded<KubernetesCredentials> => {
  const others = [user.token, user.tokenFile, user["client-certificate"], user["client-certificate-data"]];
  if (others.some(Boolean)) {
    return fault("has a user with an exec plugin and other credentials: keep one of them");
  }
  const plugin = execPluginOf(user.exec, cluster, at, inherited);
  return plugin.ok ? found({ kind: "exec", plugin: plugin.value }) : plugin;
};

/** Data goes before files, as client-go has it. */
const credentialsOf = (user: User, at: (path: string) => string): Loaded<KubernetesCredentials> => {
  const { token, tokenFile } = user;
  const cert = user["client-certificate-data"] ?? user["client-certificate"];
  const key = user["client-key-data"] ?? user["client-key"];
  const hasToken = Boolean(token) || tokenFile !== undefined;
  if (hasToken && (cert ?? key) !== undefined) {
    return fault("has a user with a token and a client certificate: keep one of them");
  }
  if (tokenFile !== undefined) return tokenFileOf(at(tokenFile));
  if (token) {
    return isBearerToken(token.trim())
      ? found({ kind: "token", token: fixedSecret(token, "KUBECONFIG") })
      : fault("has a token that is no bearer token");
  }
  if (cert === undefined && key === undefined) return found({ kind: "none" });
  if (cert === undefined || key === undefined) {
    return fault("has a client-certificate without a client-key, or the other way round");
  }
  return certificateOf(user, at);
};

const tokenFileOf = (path: string): Loaded<KubernetesCredentials> => {
  const file = readChecked(path);
  const tokens = file.ok ? parseTokens(file.bytes) : file;
  return tokens.ok
    ? found({ kind: "token-file", path })
    : fault(`names the tokenFile ${path}, which ${tokens.message}`);
};

const certificateOf = (user: User, at: (path: string) => string): Loaded<KubernetesCredentials> => {
  const certData = user["client-certificate-data"];
  const keyData = user["client-key-data"];
  const certPath = user["client-certificate"];
  const keyPath = user["client-key"];
  const unfit = fault("has a client-certificate and a client-key that do not fit together");
  if (certData !== undefined && keyData !== undefined) {
    const cert = decoded(certData);
    const key = decoded(keyData);
    if (!isUsable({ cert, key })) return unfit;
    const certificate = { kind: "inline", cert, key: fixedSecret(key, "KUBECONFIG") } as const;
    return found({ kind: "client-certificate", certificate });
  }
  if (certPath === undefined || keyPath === undefined) {
    return fault("has a client-certificate and a client-key of which one is a file and one is data");
  }
  const cert = readChecked(at(certPath));
  const key = readChecked(at(keyPath));
  if (!cert.ok) return fault(`names the client-certificate ${at(certPath)}, which ${cert.message}`);
  if (!key.ok) return fault(`names the client-key ${at(keyPath)}, which ${key.message}`);
  if (!isUsable({ cert: cert.bytes, key: key.bytes })) return unfit;
  const certificate = { kind: "files", certFile: at(certPath), keyFile: at(keyPath) } as const;
  return found({ kind: "client-certificate", certificate });
};

const decoded = (base64: string): string => fromBase64(base64).toString("latin1");

const isUsable = (material: { cert?: string | Buffer; key?: string | Buffer; ca?: string }): boolean => {
  try {
    createSecureContext(material);
    return true;
  } catch {
    return false;
  }
};

const isCa = (pem: string): boolean => pem.includes("-----BEGIN CERTIFICATE-----") && isUsable({ ca: pem });
