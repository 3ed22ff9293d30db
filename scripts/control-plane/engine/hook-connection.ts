// SPDX-License-Identifier: Apache-2.0
// Reads what a webhook's connection refers to (CA, credentials, client certificate), once for each controller start.
import { X509Certificate } from "node:crypto";
import { validateHeaderValue } from "node:http";
import { createSecureContext } from "node:tls";
import { stringOf, valueAt } from "../api/json.ts";
import type { KubeClient } from "../client.ts";
import type { ConnectionFields, ControllerSpec, Webhook } from "./composite-controller.ts";
import type { Discovery } from "./discovery.ts";
import { apiFault, fault, type Outcome, ok } from "./outcome.ts";

export type HookConnection = {
  /** PEM; where it is left out, the system's roots are trusted. */
  ca?: string;
  /** The value of the Authorization header. */
  authorization?: string;
  clientCertificate?: { cert: string; key: string };
};

export type ConnectionReader = (webhook: Webhook, url: URL) => Promise<Outcome<HookConnection>>;

/** A reader for one controller; a webhook's own fields win over `endpointConfigs`, which go by host. */
export const connectionReader =
  (client: KubeClient, discovery: Discovery, spec: ControllerSpec): ConnectionReader =>
  (webhook, url) => {
    const { caBundle, clientTLS, authorization, basicAuth } = webhook;
    const own = caBundle ?? clientTLS ?? authorization ?? basicAuth;
    const fields = own ? webhook : (spec.endpointConfigs ?? []).find(({ host }) => isHostOf(host, url));
    return resolve(client, discovery, fields ?? {});
  };

const isHostOf = (host: string, url: URL): boolean => {
  const wanted = host.toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const usual = port === (url.protocol === "https:" ? "443" : "80");
  return wanted === `${url.hostname}:${port}` || (usual && wanted === url.hostname);
};

type Place = { name: string; namespace: string; plural: "secrets" | "configmaps" };
/** The text at a key of a Secret or ConfigMap; a fault where there is none. */
type ReadText = (place: Place, key: string) => Promise<Outcome<string>>;

const resolve = async (
  client: KubeClient,
  discovery: Discovery,
  { caBundle, clientTLS, authorization, basicAuth }: ConnectionFields,
): Promise<Outcome<HookConnection>> => {
  if (authorization && basicAuth) return fault("authorization and basicAuth are mutually exclusive");
  const read = textReader(client, discovery);
  // One after the other: of several faults it is the first that is told.
  const connection: HookConnection = {};
  const parts = [
    () => caBundle && bundlePart(caBundle, read),
    () => clientTLS && clientPart(clientTLS, read),
    () => authorization && tokenPart(authorization, read),
    () => basicAuth && basicPart(basicAuth, read),
  ];
  for (const part of parts) {
    const resolved = (await part()) ?? ok({});
    if (!resolved.ok) return resolved;
    Object.assign(connection, resolved.value);
  }
  return usable(connection);
};

const textReader =
  (client: KubeClient, discovery: Discovery): ReadText =>
  async ({ name, namespace, plural }, key) => {
    const resource = await discovery.byPlural("v1", plural);
    if (!resource.ok) return resource;
    const answer = await client.get(resource.value, { namespace, name });
    if (!answer.ok) return apiFault(`can't get ${plural} ${namespace}/${name}`, answer);
    const value = stringOf(valueAt(answer.value, ["data", key]));
    if (!value) return fault(`key "${key}" not found in ${plural} ${namespace}/${name}`);
    return ok(plural === "secrets" ? Buffer.from(value, "base64").toString("utf8") : value);
  };

type Part = Promise<Outcome<HookConnection>>;

const bundlePart = async (
  { inline, secretRef, configMapRef }: NonNullable<ConnectionFields["caBundle"]>,
  read: ReadText,
): Part => {
  if ([inline, secretRef, configMapRef].filter((source) => source !== undefined).length !== 1) {
    return fault("caBundle: exactly one of inline, secretRef, or configMapRef must be specified");
  }
  const ref = secretRef ?? configMapRef;
  const plural = secretRef ? "secrets" : "configmaps";
  const ca = ref ? await read({ ...ref, plural }, ref.key || "ca.crt") : ok(inline ?? "");
  return ca.ok ? ok({ ca: ca.value }) : fault(`can't resolve caBundle: ${ca.message}`);
};

const clientPart = async (
  { secretRef, certKey, privateKeyKey }: NonNullable<ConnectionFields["clientTLS"]>,
  read: ReadText,
): Part => {
  const place: Place = { ...secretRef, plural: "secrets" };
  const cert = await read(place, certKey || "tls.crt");
  const key = await read(place, privateKeyKey || "tls.key");
  if (!cert.ok) return fault(`can't resolve clientTLS: ${cert.message}`);
  if (!key.ok) return fault(`can't resolve clientTLS: ${key.message}`);
  return ok({ clientCertificate: { cert: cert.value, key: key.value } });
};

const tokenPart = async (
  { type, secretRef }: NonNullable<ConnectionFields["authorization"]>,
  read: ReadText,
): Part => {
  if (type?.trim().toLowerCase() === "basic") {
    return fault("authorization type Basic is not supported; use the basicAuth field instead");
  }
  const token = await read({ ...secretRef, plural: "secrets" }, secretRef.key);
  if (!token.ok) return fault(`can't resolve authorization: ${token.message}`);
  return ok({ authorization: `${type || "Bearer"} ${token.value.trim()}` });
};

const basicPart = async (
  { secretRef, usernameKey, passwordKey }: NonNullable<ConnectionFields["basicAuth"]>,
  read: ReadText,
): Part => {
  const place: Place = { ...secretRef, plural: "secrets" };
  const user = await read(place, usernameKey || "username");
  const password = await read(place, passwordKey || "password");
  if (!user.ok) return fault(`can't resolve basicAuth: ${user.message}`);
  if (!password.ok) return fault(`can't resolve basicAuth: ${password.message}`);
  const pair = Buffer.from(`${user.value.trim()}:${password.value.trim()}`);
  return ok({ authorization: `Basic ${pair.toString("base64")}` });
};

/** What Node refuses is found here, by name, and not at each call. */
const usable = (connection: HookConnection): Outcome<HookConnection> => {
  const { ca, clientCertificate, authorization } = connection;
  try {
    if (ca !== undefined) new X509Certificate(ca);
  } catch {
    return fault("caBundle: no valid PEM-encoded certificates found in the provided CA bundle");
  }
  try {
    createSecureContext({ ...clientCertificate });
  } catch {
    // OpenSSL's text differs from version to version.
    return fault("can't parse clientTLS certificate");
  }
  try {
    if (authorization !== undefined) validateHeaderValue("authorization", authorization);
  } catch {
    return fault("the credentials can't be sent: they hold a character that no header can have");
  }
  return ok(connection);
};
