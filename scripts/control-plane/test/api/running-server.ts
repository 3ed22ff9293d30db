// SPDX-License-Identifier: Apache-2.0
// Starts an API server for a test file, with kubectl and plain HTTP to call it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isObject, type Json, type JsonObject, toJson } from "../../api/json.ts";
import { type ApiServerOptions, startApiServer } from "../../api/server.ts";
import { gadgetDefinition } from "./gadget-definition.ts";

export type Ran = { code: number | null; stdout: string; stderr: string };
type Answer = { code: number; body: JsonObject; headers: Headers };
export type RunningServer = {
  url: string;
  directory: string;
  kubectl: (
    args: string,
    options?: { input?: Json | string; env?: { [name: string]: string } },
  ) => Promise<Ran>;
  call: (method: string, path: string, body?: Json, contentType?: string) => Promise<Answer>;
  /** A GET that must answer 200. */
  read: (path: string) => Promise<JsonObject>;
  /** Asks until the answer satisfies the condition, at most 500 times. */
  until: (path: string, condition: (answer: Answer) => boolean) => Promise<Answer>;
};

type Teardown = { teardown: (end: () => Promise<void>) => void };

/** Splits on spaces, except inside single quotes. */
const words = (text: string): string[] =>
  [...text.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");

/** Starts a server with the namespace `demo` and the Gadget kind; the test's end stops it. */
export const runServer = async (t: Teardown, options: ApiServerOptions = {}): Promise<RunningServer> => {
  const faults: string[] = [];
  const server = await startApiServer({ ...options, log: (line) => faults.push(line) });
  const directory = await mkdtemp(join(tmpdir(), "keyswitch-api-"));
  const config = join(directory, "kubeconfig");
  await server.kubeconfig(config);
  t.teardown(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
    if (faults.length > 0) throw new Error(`internal errors: ${faults.join("\n")}`);
  });

  const call: RunningServer["call"] = async (method, path, body, contentType = "application/json") => {
    const response = await fetch(server.url + path, {
      method,
      headers: { "content-type": contentType, "user-agent": "tester/1.0" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: Json = toJson(await response.json());
    if (!isObject(answer)) throw new Error(`${method} ${path} did not answer an object`);
    return { code: response.status, body: answer, headers: response.headers };
  };
  const kubectl: RunningServer["kubectl"] = async (args, { input, env } = {}) => {
    const child = spawn("kubectl", words(args), {
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: directory, KUBECONFIG: config, ...env },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin.end(input === undefined ? "" : typeof input === "string" ? input : JSON.stringify(input));
    const [code]: unknown[] = await once(child, "close");
    return { code: typeof code === "number" ? code : null, stdout, stderr };
  };
  const read: RunningServer["read"] = async (path) => {
    const { code, body } = await call("GET", path);
    if (code !== 200) throw new Error(`GET ${path}: ${code} ${JSON.stringify(body)}`);
    return body;
  };
  const until: RunningServer["until"] = async (path, condition) => {
    // Counted in requests, not in time: the server does its own work between any two of them.
    for (let tries = 0; tries < 500; tries += 1) {
      const answer = await call("GET", path);
      if (condition(answer)) return answer;
    }
    throw new Error(`${path} did not become what was waited for`);
  };
  await call("POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "demo" },
  });
  const defined = await call(
    "POST",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    gadgetDefinition,
  );
  if (defined.code !== 201) throw new Error(JSON.stringify(defined.body));
  return { url: server.url, directory, kubectl, call, read, until };
};
