// SPDX-License-Identifier: Apache-2.0
// Faults of an object's metadata: names, labels, annotations, finalizers, owners.
import type { Cause } from "../api-status.ts";
import { toJson } from "../json.ts";
import type { KubeObject, ObjectMeta } from "../kube-object.ts";
import type { ResourceKind } from "../registry.ts";
import { forbiddenValue, invalidValue, requiredValue, tooLong } from "./faults.ts";

const dnsLabel = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const subdomain = new RegExp(`^${dnsLabel}(\\.${dnsLabel})*$`);
const label = new RegExp(`^${dnsLabel}$`);
const serviceLabel = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const serviceText =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const qualifiedText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelValueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** The fault of a DNS label such as a container's name, if there is one. */
export const dnsLabelFault = (field: string, name: string): Cause | undefined => {
  if (name.length > 63) return invalidValue(field, name, "must be no more than 63 characters");
  return label.test(name) ? undefined : invalidValue(field, name, labelText);
};

/** The fault of a name that becomes one segment of a path. */
const pathSegmentFault = (field: string, name: string): Cause | undefined =>
  /[/%]/.test(name) || name === "." || name === ".."
    ? invalidValue(field, name, "may not contain '/' or '%' and may not be '.' or '..'")
    : undefined;

const serviceNameFault = (field: string, name: string): Cause | undefined =>
  serviceLabel.test(name) && name.length <= 63 ? undefined : invalidValue(field, name, serviceText);

const subdomainFault = (field: string, name: string): Cause | undefined => {
  if (name.length > 253) return invalidValue(field, name, "must be no more than 253 characters");
  return subdomain.test(name) ? undefined : invalidValue(field, name, subdomainText);
};

/** What refuses the names of a kind. */
const nameRule = ({ group, plural }: ResourceKind): typeof subdomainFault => {
  if (group === "rbac.authorization.k8s.io") return pathSegmentFault;
  if (group === "" && plural === "namespaces") return dnsLabelFault;
  if (group === "" && plural === "services") return serviceNameFault;
  return subdomainFault;
};

const nameFaults = (kind: ResourceKind, name: string): Cause[] => {
  const field = "metadata.name";
  if (name === "") return [requiredValue(field, "name or generateName is required")];
  const fault = nameRule(kind)(field, name);
  return fault ? [fault] : [];
};

const qualifiedNameFault = (field: string, key: string): Cause | undefined => {
  const [prefix, name, ...rest] = key.includes("/") ? key.split("/") : [undefined, key];
  if (rest.length > 0) return invalidValue(field, key, `a qualified name ${qualifiedText.slice(10)}`);
  if (prefix !== undefined && !subdomain.test(prefix)) {
    return invalidValue(field, key, `prefix part ${subdomainText}`);
  }
  if (name === undefined || name === "") return invalidValue(field, key, "name part must be non-empty");
  if (name.length > 63) return invalidValue(field, key, "name part must be no more than 63 characters");
  return qualifiedPart.test(name) ? undefined : invalidValue(field, key, qualifiedText);
};

/** Faults of a map of labels, such as a selector's matchLabels. */
const labelFaults = (field: string, labels: { [key: string]: string }): Cause[] => {
  const faults: Cause[] = [];
  for (const [key, value] of Object.entries(labels)) {
    const fault = qualifiedNameFault(field, key);
    if (fault) faults.push(fault);
    if (value.length > 63) faults.push(invalidValue(field, value, "must be no more than 63 characters"));
    else if (!labelValue.test(value)) faults.push(invalidValue(field, value, labelValueText));
  }
  return faults;
};

const annotationFaults = (metadata: ObjectMeta): Cause[] => {
  const faults: Cause[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
    const fault = qualifiedNameFault("metadata.annotations", key.toLowerCase());
    if (fault) faults.push(fault);
  }
  return size > 256 * 1024 ? [...faults, tooLong("metadata.annotations", 256 * 1024)] : faults;
};

const ownerFaults = (metadata: ObjectMeta): Cause[] => {
  const owners = metadata.ownerReferences ?? [];
  const faults: Cause[] = [];
  owners.forEach((owner, index) => {
    const path = `metadata.ownerReferences[${index}]`;
    if (!owner.apiVersion) faults.push(invalidValue(`${path}.apiVersion`, "", "version must not be empty"));
    for (const field of ["kind", "name", "uid"] as const) {
      if (!owner[field]) faults.push(invalidValue(`${path}.${field}`, "", "must not be empty"));
    }
  });
  const [first, second] = owners.filter((owner) => owner.controller === true);
  if (first && second) {
    faults.push(
      invalidValue(
        "metadata.ownerReferences",
        toJson(owners),
        `Only one reference can have Controller set to true. Found "true" in references for ${first.name} and ${second.name}`,
      ),
    );
  }
  return faults;
};

/** Faults of the metadata of an object that is about to be stored. */
export const metadataFaults = (
  kind: ResourceKind,
  object: KubeObject,
  old: KubeObject | undefined,
): Cause[] => {
  const { metadata } = object;
  const faults = [
    ...(old ? [] : nameFaults(kind, metadata.name ?? "")),
    ...labelFaults("metadata.labels", metadata.labels ?? {}),
    ...annotationFaults(metadata),
    ...ownerFaults(metadata),
  ];
  const finalizers = metadata.finalizers ?? [];
  for (const finalizer of finalizers) {
    const fault = qualifiedNameFault("metadata.finalizers", finalizer);
    if (fault) faults.push(fault);
  }
  if (old?.metadata.deletionTimestamp) {
    const added = finalizers.filter((name) => !old.metadata.finalizers?.includes(name));
    if (added.length > 0) {
      const list = added.map((name) => JSON.stringify(name)).join(", ");
      faults.push(
        forbiddenValue(
          "metadata.finalizers",
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
        ),
      );
    }
  }
  return faults;
};
