// SPDX-License-Identifier: Apache-2.0
// Recognizes loopback hosts: 127.0.0.0/8, ::1 and localhost.
import { BlockList, isIPv4, isIPv6 } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether `host` (a name, an address, or an address in brackets as URLs have it) is loopback. No name is resolved. */
export const isLoopback = (host: string): boolean => {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (isIPv4(bare)) return loopback.check(bare, "ipv4");
  if (isIPv6(bare)) return loopback.check(bare, "ipv6");
  return bare === "localhost";
};
