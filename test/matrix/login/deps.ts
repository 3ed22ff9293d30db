// SPDX-License-Identifier: Apache-2.0
// What a log-in needs, made for a test and closed with it.
import type { Test } from "tap";
import { createMatrixHttp } from "../../../server/matrix/http.ts";
import { createHttpExchange } from "../../../server/matrix/http-exchange.ts";
import type { LogInDeps } from "../../../server/matrix/login/outcome.ts";

export const openDeps = (
  t: Test,
  { homeserver, caFile }: { homeserver: string; caFile?: string },
): LogInDeps => {
  const exchange = createHttpExchange(caFile === undefined ? {} : { caFile });
  t.teardown(() => exchange.close());
  return { http: createMatrixHttp({ homeserver, exchange }), exchange, now: Date.now };
};
