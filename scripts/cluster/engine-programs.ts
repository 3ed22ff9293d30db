// SPDX-License-Identifier: Apache-2.0
// Finds the real API server and Metacontroller that the environment names.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** An API server to start: etcd, kube-apiserver and kube-controller-manager, as files. */
export type ApiServerPrograms = {
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string;
};

export type Engine = {
  /** The programs of an API server, or the kubeconfig of one that runs. */
  readonly api: ApiServerPrograms | { readonly kubeconfig: string };
  readonly metacontroller: string;
  /** Metacontroller's own definitions: a file, or a folder of some. */
  readonly definitions: string;
};

/** What to set; CONTRIBUTING.md has the same. */
const WANTED =
  "KUBEBUILDER_ASSETS (a folder with etcd and kube-apiserver) and KUBE_CONTROLLER_MANAGER_BIN, or KUBECONFIG; " +
  "and METACONTROLLER_BIN and METACONTROLLER_CRDS";

type Found = { engine: Engine } | { missing: string };

/** The engine that `env` names. KUBEBUILDER_ASSETS goes before KUBECONFIG, which many have for another reason. */
export const findEngine = (env: Readonly<NodeJS.ProcessEnv>): Found => {
  const { KUBEBUILDER_ASSETS, KUBE_CONTROLLER_MANAGER_BIN, KUBECONFIG } = env;
  const { METACONTROLLER_BIN, METACONTROLLER_CRDS } = env;
  if (!METACONTROLLER_BIN || !METACONTROLLER_CRDS) return { missing: `no engine is named: set ${WANTED}` };
  const engine = { metacontroller: METACONTROLLER_BIN, definitions: METACONTROLLER_CRDS };
  const api =
    KUBEBUILDER_ASSETS && KUBE_CONTROLLER_MANAGER_BIN
      ? {
          etcd: join(KUBEBUILDER_ASSETS, "etcd"),
          apiServer: join(KUBEBUILDER_ASSETS, "kube-apiserver"),
          controllerManager: KUBE_CONTROLLER_MANAGER_BIN,
        }
      : KUBECONFIG && { kubeconfig: KUBECONFIG };
  if (!api) return { missing: `no API server is named: set ${WANTED}` };
  const absent = [...Object.values(engine), ...Object.values(api)].find((path) => !existsSync(path));
  return absent === undefined ? { engine: { api, ...engine } } : { missing: `${absent} is not there` };
};
