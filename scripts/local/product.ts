// SPDX-License-Identifier: Apache-2.0
// Says which code the processes of a local run have: the product's sources, or the bundles that the image has.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildProduct } from "../bundle/build-product.ts";

export type Product = {
  readonly isBundled: boolean;
  /** The modules of main.js and of its webhook. */
  readonly main: URL;
  readonly webhook: URL;
};

export const SOURCES: Product = {
  isBundled: false,
  main: new URL("../../server/main.ts", import.meta.url),
  webhook: new URL("../../server/roles/webhook.ts", import.meta.url),
};

/** Makes `folder`, which must be the caller's alone: others may be using dist/. @throws what buildProduct throws */
export const bundledProduct = async (folder: string): Promise<Product> => {
  await buildProduct(folder);
  const at = (file: string): URL => pathToFileURL(join(folder, "server", file));
  return { isBundled: true, main: at("main.js"), webhook: at("roles/webhook.js") };
};
