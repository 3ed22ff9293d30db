// SPDX-License-Identifier: Apache-2.0
// Updates a pod's mounted files from changed Secrets at once, which takes a kubelet a minute or two.
import { eventually } from "../../../scripts/local/eventually.ts";
import type { Role, Stack } from "../../../scripts/local/stack.ts";

/** Brings the files of a pod up to date, waits until the process uses them, and answers with how many differ. Hooks must be called meanwhile. */
export const podSees = async (stack: Stack, role: Role): Promise<number> => {
  const from = stack.logs().length;
  const changed = await stack.refresh(role);
  // A key is read with its certificate, and what writes is read at a write.
  const awaited = changed.filter((path) => !/tls\.key$|write-token$/.test(path));
  const said = () => stack.logs().slice(from);
  for (const path of awaited) {
    await eventually(
      `the ${role} reads ${path}`,
      async () => said().some((line) => line.includes(`"file":"${path}"`) && line.includes("read again")),
      { seen: () => said().join("\n") },
    );
  }
  return changed.length;
};
