// SPDX-License-Identifier: Apache-2.0
// Starts a real API server with its controllers on loopback for one run: etcd, kube-apiserver, kube-controller-manager.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../local/free-port.ts";
import { kubectlWith } from "../local/kubectl.ts";
import type { ApiServerPrograms } from "./engine-programs.ts";
import { answerOf, type ServerProgram, startServerProgram } from "./server-program.ts";

export type RealApiServer = {
  readonly kubeconfig: string;
  /** Ends kube-apiserver and starts it at the same address; etcd and the controllers go on. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

type Place = { folder: string; log: (line: string) => void };

const startEtcd = async (command: string, { folder, log }: Place): Promise<[ServerProgram, string]> => {
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const args = [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Nothing here outlives the run.
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
  const program = await startServerProgram({
    command,
    args,
    log,
    isReady: async () => (await answerOf(`${client}/health`)) !== undefined,
  });
  return [program, client ?? ""];
};

/** A kubeconfig for `user`; kube-apiserver writes the certificate that it makes for itself, with its CA. */
const writeKubeconfig = (folder: string, port: number, user: string, bearerToken: string): string => {
  const file = join(folder, `${user}.kubeconfig`);
  const ca = join(folder, "pki", "apiserver.crt");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "engine",
    clusters: [
      { name: "engine", cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority": ca } },
    ],
    users: [{ name: user, user: { token: bearerToken } }],
    contexts: [{ name: "engine", context: { cluster: "engine", user } }],
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
};

const writeServiceAccountKeys = (folder: string): { privateKey: string; publicKey: string } => {
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const files = { privateKey: join(folder, "sa.key"), publicKey: join(folder, "sa.pub") };
  writeFileSync(files.privateKey, pair.privateKey, { mode: 0o600 });
  writeFileSync(files.publicKey, pair.publicKey);
  return files;
};

/** Who may do what, as kube-apiserver's --token-auth-file has it, and the kubeconfig of each. */
const writeUsers = (folder: string, port: number) => {
  const [admin, manager] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
  const file = join(folder, "tokens.csv");
  const users = `${admin},admin,admin,"system:masters"\n${manager},system:kube-controller-manager,manager\n`;
  writeFileSync(file, users, { mode: 0o600 });
  return {
    file,
    admin: writeKubeconfig(folder, port, "admin", admin),
    manager: writeKubeconfig(folder, port, "manager", manager),
  };
};

type Users = ReturnType<typeof writeUsers>;
type Keys = ReturnType<typeof writeServiceAccountKeys>;

const apiServerArguments = (
  folder: string,
  port: number,
  etcd: string,
  users: Users,
  keys: Keys,
): string[] => [
  `--etcd-servers=${etcd}`,
  "--bind-address=127.0.0.1",
  "--advertise-address=127.0.0.1",
  `--secure-port=${port}`,
  // A Service of the API server itself can't lead to loopback, and nobody needs it.
  "--endpoint-reconciler-type=none",
  `--cert-dir=${join(folder, "pki")}`,
  `--token-auth-file=${users.file}`,
  `--service-account-key-file=${keys.publicKey}`,
  `--service-account-signing-key-file=${keys.privateKey}`,
  "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
  "--service-cluster-ip-range=10.0.0.0/24",
  "--authorization-mode=RBAC",
  "--allow-privileged=true",
];

const managerArguments = (folder: string, port: number, users: Users, keys: Keys): string[] => [
  ...["", "authentication-", "authorization-"].map((use) => `--${use}kubeconfig=${users.manager}`),
  "--bind-address=127.0.0.1",
  `--secure-port=${port}`,
  `--cert-dir=${join(folder, "pki")}`,
  `--service-account-private-key-file=${keys.privateKey}`,
  `--root-ca-file=${join(folder, "pki", "apiserver.crt")}`,
  "--use-service-account-credentials=true",
  "--leader-elect=false",
];

/** Starts all of it; `folder` is its own and holds its data. */
export const startRealApiServer = async (
  programs: ApiServerPrograms,
  place: Place,
): Promise<RealApiServer> => {
  const { folder, log } = place;
  mkdirSync(folder, { mode: 0o700 });
  const running: ServerProgram[] = [];
  const close = async () => {
    for (const program of running.splice(0).reverse()) await program.stop();
  };
  try {
    const [etcd, etcdUrl] = await startEtcd(programs.etcd, place);
    running.push(etcd);
    const [port, managerPort] = [await freePort(), await freePort()];
    const [users, keys] = [writeUsers(folder, port), writeServiceAccountKeys(folder)];
    const gets =
      (...args: string[]) =>
      async (): Promise<boolean> =>
        (await kubectlWith(users.admin).try(["get", ...args])).code === 0;
    const served = apiServerArguments(folder, port, etcdUrl, users, keys);
    const startApi = () =>
      startServerProgram({
        command: programs.apiServer,
        args: served,
        log,
        isReady: gets("--raw", "/readyz"),
      });
    let api = await startApi();
    running.push({ stop: () => api.stop() });
    running.push(
      await startServerProgram({
        command: programs.controllerManager,
        args: managerArguments(folder, managerPort, users, keys),
        log,
        // Its controllers have made this of the new cluster.
        isReady: gets("serviceaccount", "default"),
      }),
    );
    const restart = async () => {
      await api.stop();
      api = await startApi();
    };
    return { kubeconfig: users.admin, restart, close };
  } catch (error) {
    await close();
    throw error;
  }
};
