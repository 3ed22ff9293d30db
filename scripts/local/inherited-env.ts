// SPDX-License-Identifier: Apache-2.0
// Selects the environment variables that processes of the local run inherit: where programs are, and Node's compile cache.

/** Nothing else: a pod does not see its node's environment either. */
export const inheritedEnv = (): NodeJS.ProcessEnv => {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
};
