// SPDX-License-Identifier: Apache-2.0
// Creates the dependencies of a log-in for a test, and closes them with it.
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
