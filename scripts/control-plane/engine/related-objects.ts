// SPDX-License-Identifier: Apache-2.0
// Implements the customize hook: which related objects a parent selects, what they are now, and which parents a change
// concerns.
import { copy, type JsonObject } from "../api/json.ts";
import type { KubeObject } from "../client.ts";
import type { Discovery } from "./discovery.ts";
import type { Hook } from "./hook.ts";
import type { RelatedRule } from "./hook-answer.ts";
import type { Informer, InformerPool } from "./informer.ts";
import { groupOf, insert, type ObjectGroups } from "./object-groups.ts";
import { type Outcome, ok } from "./outcome.ts";
import { checkedRule, isRelated } from "./related-rule.ts";

export type RelatedObjects = {
  /** Calls the hook, unless its answer for this generation of the parent is still known. */
  of: (parent: KubeObject) => Promise<Outcome<ObjectGroups>>;
  /** Forgets a parent that is gone. */
  forget: (parent: KubeObject) => void;
  close: () => void;
};

export type RelatedOptions = {
  hook: Hook<RelatedRule[]> | undefined;
  controller: JsonObject;
  discovery: Discovery;
  pool: InformerPool;
  parents: () => KubeObject[];
  /** Called for each parent that one of these objects, before or after a change, concerns. */
  enqueue: (parent: KubeObject) => void;
  now: () => Date;
};

// The cache of Metacontroller's customize manager.
const ANSWER_LIFETIME_MS = 20 * 60_000;

type Answer = { generation: number | undefined; rules: RelatedRule[]; until: number };

/** What the customize hook has answered, by the parent's uid. */
class Answers {
  readonly #answers = new Map<string, Answer>();
  readonly #options: Pick<RelatedOptions, "hook" | "controller" | "now">;

  constructor(options: Pick<RelatedOptions, "hook" | "controller" | "now">) {
    this.#options = options;
  }

  /** The rules of the last answer, however old it is. */
  last({ metadata: { uid = "" } }: KubeObject): RelatedRule[] {
    return this.#answers.get(uid)?.rules ?? [];
  }

  /** The rules for this generation of the parent; calls the hook where they are not known. */
  async of(parent: KubeObject): Promise<Outcome<RelatedRule[]>> {
    const { hook, controller, now } = this.#options;
    if (!hook) return ok([]);
    const { uid = "", generation } = parent.metadata;
    const known = this.#answers.get(uid);
    if (known && known.generation === generation && known.until > now().getTime()) return ok(known.rules);
    const answer = await hook.call({ controller, parent: copy(parent) }, parent);
    if (!answer.ok) return answer;
    const until = now().getTime() + ANSWER_LIFETIME_MS;
    this.#answers.set(uid, { generation, rules: answer.value, until });
    return answer;
  }

  forget({ metadata: { uid = "" } }: KubeObject): void {
    this.#answers.delete(uid);
  }
}

/** The mirrors that rules ask for; each is taken when it is first asked for, and kept until the end. */
class Sources {
  readonly #sources = new Map<string, { informer: Informer; stop: () => void }>();
  readonly #options: Pick<RelatedOptions, "discovery" | "pool">;
  readonly #onChange: (plural: string, objects: KubeObject[]) => void;
  #closed = false;

  /** `onChange` is called with an object as it was and as it is. */
  constructor(
    options: Pick<RelatedOptions, "discovery" | "pool">,
    onChange: (plural: string, objects: KubeObject[]) => void,
  ) {
    this.#options = options;
    this.#onChange = onChange;
  }

  /** A namespace's labels; undefined where it is not known. */
  readonly namespaceLabels = (namespace: string): { [name: string]: string } | undefined => {
    const found = this.#sources.get("v1/namespaces")?.informer.get(namespace);
    return found && (found.metadata.labels ?? {});
  };

  async take(apiVersion: string, plural: string): Promise<Outcome<Informer>> {
    const { discovery, pool } = this.#options;
    const resource = await discovery.byPlural(apiVersion, plural);
    if (!resource.ok) return resource;
    const key = `${apiVersion}/${plural}`;
    const existing = this.#sources.get(key);
    if (existing || this.#closed) {
      const { informer } = existing ?? pool.acquire(resource.value);
      await informer.synced;
      return ok(informer);
    }
    const { informer, release } = pool.acquire(resource.value);
    const entry = { informer, stop: release };
    this.#sources.set(key, entry);
    await informer.synced;
    const unsubscribe = informer.subscribe({
      added: (object) => this.#onChange(plural, [object]),
      updated: (old, current) => {
        const isNew = old.metadata.resourceVersion !== current.metadata.resourceVersion;
        if (isNew) this.#onChange(plural, [old, current]);
      },
      deleted: (object) => this.#onChange(plural, [object]),
    });
    entry.stop = () => {
      unsubscribe();
      release();
    };
    return ok(informer);
  }

  close(): void {
    this.#closed = true;
    for (const { stop } of this.#sources.values()) stop();
    this.#sources.clear();
  }
}

/** Starts to look after the related objects of a controller's parents; close it with the controller. */
export const createRelatedObjects = (options: RelatedOptions): RelatedObjects => {
  const answers = new Answers(options);
  const sources = new Sources(options, (plural, objects) => {
    for (const parent of options.parents()) {
      const rules = answers.last(parent).filter(({ resource }) => resource === plural);
      if (objects.some((object) => isNamed(rules, object, sources))) options.enqueue(parent);
    }
  });

  /** Puts what `rule` asks for into `groups`. */
  const add = async (groups: ObjectGroups, rule: RelatedRule): Promise<Outcome<true>> => {
    const informer = await sources.take(rule.apiVersion, rule.resource);
    if (!informer.ok) return informer;
    const { resource } = informer.value;
    const checked = checkedRule(rule, resource);
    if (!checked.ok) return checked;
    if (rule.namespaceSelector) {
      const namespaces = await sources.take("v1", "namespaces");
      if (!namespaces.ok) return namespaces;
    }
    groupOf(groups, resource);
    for (const object of informer.value.list()) {
      if (isRelated(rule, object, sources.namespaceLabels)) insert(groups, object);
    }
    return ok(true);
  };

  return {
    of: async (parent) => {
      const groups: ObjectGroups = new Map();
      const rules = await answers.of(parent);
      if (!rules.ok) return rules;
      for (const rule of rules.value) {
        const added = await add(groups, rule);
        if (!added.ok) return added;
      }
      return ok(groups);
    },
    forget: (parent) => answers.forget(parent),
    close: () => sources.close(),
  };
};

/** Whether one of the rules asks for `object`. */
const isNamed = (rules: RelatedRule[], object: KubeObject, { namespaceLabels }: Sources): boolean =>
  rules.some((rule) => rule.apiVersion === object.apiVersion && isRelated(rule, object, namespaceLabels));
