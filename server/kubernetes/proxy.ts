// SPDX-License-Identifier: Apache-2.0
// Chooses the proxy to the API server: the kubeconfig's, or HTTPS_PROXY where NO_PROXY does not name the server.
import { BlockList, isIP, isIPv6 } from "node:net";
import { isLoopback } from "../config/loopback.ts";
import type { Parsed } from "../config/reread-file.ts";

/** The address of a proxy; without a scheme it is http://. A message cites nothing of it: it may hold a password. */
export const parseProxy = (address: string): Parsed<string> => {
  const url = URL.parse(address.includes("://") ? address : `http://${address}`);
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== ""
    ? { ok: true, value: url.href }
    : { ok: false, message: "must be the http:// or https:// address of a proxy" };
};

/** A host as URLs have it, without the brackets of IPv6 and the dot at the end of a full name. */
const bareHost = (host: string): string =>
  host
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();

const isInSubnet = (host: string, network: string, bits: string): boolean => {
  if (isIP(network) === 0 || isIP(network) !== isIP(host) || !/^\d{1,3}$/.test(bits)) return false;
  const family = isIPv6(network) ? "ipv6" : "ipv4";
  if (Number(bits) > (family === "ipv6" ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(host, family);
};

/** `host`, `host:port` or `[address]:port`. */
const HOST_AND_PORT = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/;

/** Whether one entry of NO_PROXY names the host: an address, a range of them, or a name, which stands for those below it too. */
const names = (entry: string, host: string, port: string): boolean => {
  if (entry === "*") return true;
  const [network = "", bits] = entry.split("/");
  if (bits !== undefined) return isInSubnet(host, network, bits);
  if (isIP(entry) !== 0) return host === entry;
  const [, bracketed, plain, ofPort] = HOST_AND_PORT.exec(entry) ?? [];
  const named = bareHost(bracketed ?? plain ?? "").replace(/^\*?\./, ".");
  if (named === "" || (ofPort !== undefined && ofPort !== port)) return false;
  return named.startsWith(".") ? host.endsWith(named) : host === named || host.endsWith(`.${named}`);
};

/**
 * Whether HTTPS_PROXY leads to an https:// address, as for programs in Go such as kubectl: never to this machine.
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
 */
export const isProxied = (origin: string, noProxy: string): boolean => {
  const url = new URL(origin);
  const host = bareHost(url.hostname);
  if (url.protocol !== "https:" || isLoopback(host)) return false;
  const entries = noProxy.split(",").map((entry) => entry.trim().toLowerCase());
  return !entries.some((entry) => entry !== "" && names(entry, host, url.port || "443"));
};
