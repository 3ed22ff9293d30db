// SPDX-License-Identifier: Apache-2.0
// Plays the cluster's DNS for a process of the local run: names of headless Services have the addresses that it is told.
import type { LookupOptions } from "node:dns";
import dns from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";

/**
 * Answers lookups of the names in `text`, and leaves others to the system.
 * @param text `name=address address,name=…`
 */
export const playServiceNames = (text: string): void => {
  const addresses = new Map(
    text.split(",").map((entry): [string, string[]] => {
      const [name = "", list = ""] = entry.split("=");
      return [name, list.split(" ")];
    }),
  );
  const system = dns.lookup;
  const lookup = async (host: string, options: LookupOptions = {}) => {
    const found = addresses.get(host);
    if (found === undefined) return system(host, options);
    const all = found.map((address) => ({ address, family: 4 }));
    return options.all === true ? all : all[0];
  };
  Object.assign(dns, { lookup });
  syncBuiltinESMExports();
};
