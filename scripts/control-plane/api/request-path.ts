// SPDX-License-Identifier: Apache-2.0
// Reads a request's path: which group, version, namespace, resource, object and subresource it names.

export type ResourcePath = {
  group: string;
  version: string;
  namespace: string | undefined;
  resource: string;
  name: string | undefined;
  subresource: string | undefined;
};

/** The parts of a resource path, or undefined where the path names no resource. */
export const resourcePath = (pathname: string): ResourcePath | undefined => {
  const parts = pathname.split("/").filter((part) => part !== "");
  const decoded: string[] = [];
  for (const part of parts) {
    try {
      decoded.push(decodeURIComponent(part));
    } catch {
      return undefined; // malformed percent escapes name nothing
    }
  }
  const [root, ...rest] = decoded;
  if (root === "api") {
    const [version, ...tail] = rest;
    return version === undefined ? undefined : below("", version, tail);
  }
  if (root === "apis") {
    const [group, version, ...tail] = rest;
    return group === undefined || version === undefined ? undefined : below(group, version, tail);
  }
  return undefined;
};

const below = (group: string, version: string, tail: string[]): ResourcePath | undefined => {
  const [first, second, third, ...more] = tail;
  if (first === undefined) return undefined;
  const isNamespaceItself = third === undefined || third === "status" || third === "finalize";
  if (first === "namespaces" && second !== undefined && !(group === "" && isNamespaceItself)) {
    if (third === undefined || more.length > 2) return undefined;
    return { group, version, namespace: second, resource: third, name: more[0], subresource: more[1] };
  }
  if (more.length > 0) return undefined;
  return { group, version, namespace: undefined, resource: first, name: second, subresource: third };
};
