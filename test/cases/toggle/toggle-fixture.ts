// SPDX-License-Identifier: Apache-2.0
// Sets up the usual Toggle of the cases, and waits for its conditions.
import { replicasOf, type Scene, toggleStatusOf } from "../scene.ts";

/** spec.selector for the Deployment that `scene.deploy` makes under the name `app`. */
export const selecting = (app: string) => ({ selector: { matchLabels: { app } } });

/** Makes the Deployment `web`, and a Toggle for it that is on, and waits until it runs. */
export const runningWeb = async (scene: Scene, replicas: number, spec: object = {}): Promise<void> => {
  await scene.deploy("web", replicas);
  await scene.apply("Toggle", "web", { enabled: true, ...selecting("web"), ...spec });
  await scene.becomes("web", "Running", replicas);
};

/** The switch as people do it. */
export const switchWeb = (scene: Scene, enabled: boolean) =>
  scene.patch("Toggle", "web", { spec: { enabled } });

/** The same, and waits until the Deployment has come down to 0. */
export const switchOff = async (scene: Scene): Promise<void> => {
  await switchWeb(scene, false);
  await scene.becomes("web", "Off", 0);
};

/** The same for on, back to `replicas`. */
export const switchOn = async (scene: Scene, replicas: number): Promise<void> => {
  await switchWeb(scene, true);
  await scene.becomes("web", "Running", replicas);
};

/** `kubectl scale` of the Deployment `web`. */
export const scaleWeb = (scene: Scene, replicas: number) =>
  scene.kubectl(["scale", "deployment", "web", `--replicas=${replicas}`]);

/** Waits until the Toggle's phase is `phase` and its message says `words`. */
export const says = (scene: Scene, name: string, phase: string, words: RegExp) =>
  scene.until(`it is ${phase} and says ${String(words)}`, ["Toggle", name], (toggle) => {
    const status = toggleStatusOf(toggle);
    return status.phase === phase && words.test(status.message ?? "");
  });

/** Waits until a sync has seen that the Deployment `web` has `replicas`, and left it so: they are what switching on gives back. */
export const leaves = async (scene: Scene, replicas: number): Promise<void> => {
  await scene.until(`it counts ${replicas}`, ["Toggle", "web"], (toggle) => {
    const { lastReplicas, desiredReplicas, availableReplicas } = toggleStatusOf(toggle);
    return [lastReplicas, desiredReplicas, availableReplicas].every((count) => count === replicas);
  });
  await hasReplicas(scene, "web", replicas);
};

/** @throws Error unless the Deployment has `replicas` now */
export const hasReplicas = async (scene: Scene, name: string, replicas: number): Promise<void> => {
  const found = replicasOf(await scene.read("Deployment", name));
  if (found !== replicas) throw new Error(`${name} has ${String(found)} replicas instead of ${replicas}`);
};

/** Waits until nobody owns the Deployment. */
export const isLetGo = (scene: Scene, name: string) =>
  scene.until(
    "it is let go",
    ["Deployment", name],
    (deployment) => deployment !== undefined && (deployment.metadata.ownerReferences ?? []).length === 0,
  );

/** Waits until the Toggle has the condition `type`, and its words are as `words`. */
export const hasCondition = (scene: Scene, name: string, type: string, words: RegExp) =>
  scene.until(`it has the condition ${type}, which says ${String(words)}`, ["Toggle", name], (toggle) =>
    (toggleStatusOf(toggle).conditions ?? []).some(
      (condition) => condition.type === type && condition.status === "True" && words.test(condition.message),
    ),
  );

/** `kubectl ARGS`. @throws Error unless it fails and its error says `words` */
export const isRefused = async (
  scene: Scene,
  args: readonly string[],
  input: string,
  words: RegExp,
): Promise<void> => {
  const { code, stderr } = await scene.kubectl.try(args, input);
  if (code === 0) throw new Error(`kubectl ${args.join(" ")} was not refused`);
  if (!words.test(stderr)) throw new Error(`kubectl ${args.join(" ")} said: ${stderr}`);
};
