// SPDX-License-Identifier: Apache-2.0
// Reads the namespace of the kubeconfig's current context.
import { isNamespace } from "../../../hooks/formats.ts";
import { CommandFailed } from "../exit-codes.ts";
import type { Kubectl } from "./kubectl.ts";

/** @throws CommandFailed where there is no context, or kubectl can't be started. */
export const currentNamespace = async (kubectl: Kubectl): Promise<string> => {
  let name: string;
  try {
    name = (await kubectl.run(["config", "view", "--minify", "-o", "jsonpath={..namespace}"])).trim();
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new CommandFailed("usage", `the namespace is not known: give it with -n. ${error.message}`);
  }
  if (name === "") return "default";
  if (!isNamespace(name)) {
    throw new CommandFailed(
      "usage",
      "the current context names a namespace that can't be one: give it with -n",
    );
  }
  return name;
};
