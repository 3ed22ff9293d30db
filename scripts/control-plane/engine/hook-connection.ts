// SPDX-License-Identifier: Apache-2.0
// Reads what a webhook's connection refers to (CA, credentials, client certificate), once for each controller start.
import { X509Certificate } from "node:crypto";
import { validateHeaderValue } from "node:http";
import { createSecureContext } from "node:tls";
import { type JsonObject, stringOf, valueAt } from "../api/json.ts";
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

const resolve = async (
  client: KubeClient,
  discovery: Discovery,
  fields: ConnectionFields,
): Promise<Outcome<HookConnection>> => {
  const { caBundle, clientTLS, authorization, basicAuth } = fields;
  if (authorization && basicAuth) return fault("authorization and basicAuth are mutually exclusive");

  const objectAt = async ({ name, namespace, plural }: Place): Promise<Outcome<JsonObject>> => {
    const resource = await discovery.byPlural("v1", plural);
    if (!resource.ok) return resource;
    const answer = await client.get(resource.value, { namespace, name });
    return answer.ok ? ok(answer.value) : apiFault(`can't get ${plural} ${namespace}/${name}`, answer);
  };
  const textAt = async (place: Place, key: string): Promise<Outcome<string>> => {
    const object = await objectAt(place);
    if (!object.ok) return object;
    const value = stringOf(valueAt(object.value, ["data", key]));
    const { plural, namespace, name } = place;
    if (!value) return fault(`key "${key}" not found in ${plural} ${namespace}/${name}`);
    return ok(plural === "secrets" ? Buffer.from(value, "base64").toString("utf8") : value);
  };

  const connection: HookConnection = {};
  if (caBundle) {
    const { inline, secretRef, configMapRef } = caBundle;
    if ([inline, secretRef, configMapRef].filter((source) => source !== undefined).length !== 1) {
      return fault("caBundle: exactly one of inline, secretRef, or configMapRef must be specified");
    }
    const ref = secretRef ?? configMapRef;
    const plural = secretRef ? "secrets" : "configmaps";
    const ca = ref ? await textAt({ ...ref, plural }, ref.key || "ca.crt") : ok(inline ?? "");
    if (!ca.ok) return fault(`can't resolve caBundle: ${ca.message}`);
    connection.ca = ca.value;
  }
  if (clientTLS) {
    const place: Place = { ...clientTLS.secretRef, plural: "secrets" };
    const cert = await textAt(place, clientTLS.certKey || "tls.crt");
    const key = await textAt(place, clientTLS.privateKeyKey || "tls.key");
    if (!cert.ok) return fault(`can't resolve clientTLS: ${cert.message}`);
    if (!key.ok) return fault(`can't resolve clientTLS: ${key.message}`);
    connection.clientCertificate = { cert: cert.value, key: key.value };
  }
  if (authorization) {
    const { type, secretRef } = authorization;
    if (type?.trim().toLowerCase() === "basic") {
      return fault("authorization type Basic is not supported; use the basicAuth field instead");
    }
    const token = await textAt({ ...secretRef, plural: "secrets" }, secretRef.key);
    if (!token.ok) return fault(`can't resolve authorization: ${token.message}`);
    connection.authorization = `${type || "Bearer"} ${token.value.trim()}`;
  }
  if (basicAuth) {
    const place: Place = { ...basicAuth.secretRef, plural: "secrets" };
    const user = await textAt(place, basicAuth.usernameKey || "username");
    const password = await textAt(place, basicAuth.passwordKey || "password");
    if (!user.ok) return fault(`can't resolve basicAuth: ${user.message}`);
    if (!password.ok) return fault(`can't resolve basicAuth: ${password.message}`);
    const pair = Buffer.from(`${user.value.trim()}:${password.value.trim()}`);
    connection.authorization = `Basic ${pair.toString("base64")}`;
  }
  return usable(connection);
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
