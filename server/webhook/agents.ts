// SPDX-License-Identifier: Apache-2.0
// Parses the AGENTS variable: the agents that the webhook reads from, `name=https://host:port,…`, in that order.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { AGENT_NAME, MAX_NAME } from "../../hooks/formats.ts";
import { isLoopback } from "../config/loopback.ts";

/** One agent: the name that HSMSecrets use for it, and `scheme://host:port`. */
export type AgentEndpoint = { name: string; origin: string };

const AgentName = Type.String({ pattern: AGENT_NAME, maxLength: MAX_NAME });

/** The endpoints of a list, and what is wrong with it. A message names an entry by its place and its name alone. */
export const parseAgents = (list: string): { endpoints: AgentEndpoint[]; faults: string[] } => {
  const endpoints: AgentEndpoint[] = [];
  const faults: string[] = [];
  if (list.trim() === "") return { endpoints, faults };
  for (const [index, item] of list.split(",").entries()) {
    const entry = parseAgent(item.trim());
    if (!entry.ok) faults.push(`entry ${index + 1} ${entry.message}`);
    else if (endpoints.some(({ name }) => name === entry.endpoint.name)) {
      faults.push(`entry ${index + 1} repeats the name ${entry.endpoint.name}`);
    } else endpoints.push(entry.endpoint);
  }
  return { endpoints, faults };
};

const parseAgent = (item: string): { ok: true; endpoint: AgentEndpoint } | { ok: false; message: string } => {
  const at = item.indexOf("=");
  if (at < 1) return { ok: false, message: "must be name=https://host:port" };
  const name = item.slice(0, at);
  if (!Value.Check(AgentName, name)) {
    return { ok: false, message: "must start with a name of lower-case letters, digits, - and ." };
  }
  const url = URL.parse(item.slice(at + 1));
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { ok: false, message: `(${name}) must be an https:// address` };
  }
  if (url.username !== "" || url.password !== "") {
    return {
      ok: false,
      message: `(${name}) must not hold credentials; AGENT_TOKEN_FILE is the place for them`,
    };
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return { ok: false, message: `(${name}) must be scheme, host and port alone` };
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return { ok: false, message: `(${name}) must use https://; http:// is accepted on loopback alone` };
  }
  return { ok: true, endpoint: { name, origin: url.origin } };
};
