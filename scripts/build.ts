// SPDX-License-Identifier: Apache-2.0
// `npm run build`: makes dist/, the product as it runs in the image. It does not check types: `npm run check` does.
import { fileURLToPath } from "node:url";
import { buildProduct } from "./bundle/build-product.ts";

await buildProduct(fileURLToPath(new URL("../dist", import.meta.url)));
