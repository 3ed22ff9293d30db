// SPDX-License-Identifier: Apache-2.0
// Chooses the proxy to the API server: the kubeconfig's, or HTTPS_PROXY where NO_PROXY does not name the server.
import { BlockList, isIP, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { isLoopback } from "../config/loopback.ts";
import type { Parsed } from "../config/reread-file.ts";

/** The proxy is shown user and password as they were before they were percent-encoded. */
const isDecodable = ({ username, password }: URL): boolean => {
  try {
    decodeURIComponent(`${username}:${password}`);
    return true;
  } catch {
    return false;
  }
};

/** The address of a proxy; without a scheme it is http://. A message cites nothing of it: it may hold a password. */
export const parseProxy = (address: string): Parsed<string> => {
  const url = URL.parse(address.includes("://") ? address : `http://${address}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    return { ok: false, message: "must be the http:// or https:// address of a proxy" };
  }
  return isDecodable(url)
    ? { ok: true, value: url.href }
    : { ok: false, message: "must have a user and a password that are percent-encoded" };
};

/** A host in the one spelling that URLs have of it, without the brackets of IPv6 and the dot at the end of a full name. */
const bareHost = (host: string): string => {
  const bare = host.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  if (isIPv6(bare)) return URL.parse(`http://[${bare}]`)?.hostname.slice(1, -1) ?? bare;
  return /[^ -~]/.test(bare) ? domainToASCII(bare) || bare : bare.toLowerCase();
};

const isInSubnet = (host: string, network: string, bits: string): boolean => {
  if (isIP(network) === 0 || isIP(network) !== isIP(host) || !/^\d{1,3}$/.test(bits)) return false;
  const family = isIPv6(network) ? "ipv6" : "ipv4";
  if (Number(bits) > (family === "ipv6" ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(host, family);
};

/** `host`, `host:port` or `[address]:port`. */
const HOST_AND_PORT = /^(?:\[(.+)\]|([^:]+))(?::(\d*))?$/;

/** Whether one entry of NO_PROXY names the host: an address, a range of them, or a name, which stands for those below it too. */
const names = (entry: string, host: string, port: string): boolean => {
  if (entry === "*") return true;
  const [network = "", ...bits] = entry.split("/");
  if (bits.length > 0) return isInSubnet(host, network, bits.join("/"));
  if (isIP(entry) !== 0) return host === bareHost(entry);
  const [, bracketed, plain, ofPort] = HOST_AND_PORT.exec(entry) ?? [];
  const named = bareHost(bracketed ?? plain ?? "").replace(/^\*?\./, ".");
  if (named === "" || (ofPort && ofPort !== port)) return false;
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
