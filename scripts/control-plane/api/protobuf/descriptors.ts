// SPDX-License-Identifier: Apache-2.0
// The field numbers of the messages that kubectl sends as protobuf: the kinds its create commands make.
// Numbers are those of the generated.proto files of https://github.com/kubernetes/api.

/** `number name type`; types: string, int, bool, bytes, `map<string>`, `map<bytes>`, time, quantity, a message; `[]` repeats. */
type Message = string[];

const objectMeta: Message = [
  "1 name string",
  "2 generateName string",
  "3 namespace string",
  "4 selfLink string",
  "5 uid string",
  "6 resourceVersion string",
  "7 generation int",
  "8 creationTimestamp Time",
  "9 deletionTimestamp Time",
  "10 deletionGracePeriodSeconds int",
  "11 labels map<string>",
  "12 annotations map<string>",
  "13 ownerReferences OwnerReference[]",
  "14 finalizers string[]",
];

const messages: { [name: string]: Message } = {
  ObjectMeta: objectMeta,
  OwnerReference: [
    "1 kind string",
    "3 name string",
    "4 uid string",
    "5 apiVersion string",
    "6 controller bool",
    "7 blockOwnerDeletion bool",
  ],
  Time: ["1 seconds int", "2 nanos int"],
  Quantity: ["1 string string"],
  IntOrString: ["1 type int", "2 intVal int", "3 strVal string"],
  LabelSelector: ["1 matchLabels map<string>", "2 matchExpressions LabelSelectorRequirement[]"],
  LabelSelectorRequirement: ["1 key string", "2 operator string", "3 values string[]"],
  Namespace: ["1 metadata ObjectMeta", "2 spec NamespaceSpec", "3 status NamespaceStatus"],
  NamespaceSpec: ["1 finalizers string[]"],
  NamespaceStatus: ["1 phase string"],
  Secret: [
    "1 metadata ObjectMeta",
    "2 data map<bytes>",
    "3 type string",
    "4 stringData map<string>",
    "5 immutable bool",
  ],
  ConfigMap: ["1 metadata ObjectMeta", "2 data map<string>", "3 binaryData map<bytes>", "4 immutable bool"],
  ServiceAccount: [
    "1 metadata ObjectMeta",
    "2 secrets ObjectReference[]",
    "3 imagePullSecrets LocalObjectReference[]",
    "4 automountServiceAccountToken bool",
  ],
  LocalObjectReference: ["1 name string"],
  ObjectReference: [
    "1 kind string",
    "2 namespace string",
    "3 name string",
    "4 uid string",
    "5 apiVersion string",
    "6 resourceVersion string",
    "7 fieldPath string",
  ],
  Deployment: ["1 metadata ObjectMeta", "2 spec DeploymentSpec", "3 status DeploymentStatus"],
  DeploymentStatus: [],
  DeploymentSpec: [
    "1 replicas int",
    "2 selector LabelSelector",
    "3 template PodTemplateSpec",
    "4 strategy DeploymentStrategy",
    "5 minReadySeconds int",
    "6 revisionHistoryLimit int",
    "7 paused bool",
    "9 progressDeadlineSeconds int",
  ],
  DeploymentStrategy: ["1 type string"],
  PodTemplateSpec: ["1 metadata ObjectMeta", "2 spec PodSpec"],
  PodSpec: [
    "2 containers Container[]",
    "3 restartPolicy string",
    "4 terminationGracePeriodSeconds int",
    "6 dnsPolicy string",
    "7 nodeSelector map<string>",
    "8 serviceAccountName string",
    "9 serviceAccount string",
    "10 nodeName string",
    "11 hostNetwork bool",
    "12 hostPID bool",
    "13 hostIPC bool",
    "16 hostname string",
    "17 subdomain string",
    "19 schedulerName string",
    "24 priorityClassName string",
  ],
  Container: [
    "1 name string",
    "2 image string",
    "3 command string[]",
    "4 args string[]",
    "5 workingDir string",
    "6 ports ContainerPort[]",
    "7 env EnvVar[]",
    "8 resources ResourceRequirements",
    "13 terminationMessagePath string",
    "14 imagePullPolicy string",
    "16 stdin bool",
    "17 stdinOnce bool",
    "18 tty bool",
    "20 terminationMessagePolicy string",
  ],
  ContainerPort: [
    "1 name string",
    "2 hostPort int",
    "3 containerPort int",
    "4 protocol string",
    "5 hostIP string",
  ],
  EnvVar: ["1 name string", "2 value string"],
  ResourceRequirements: ["1 limits map<Quantity>", "2 requests map<Quantity>"],
  Pod: ["1 metadata ObjectMeta", "2 spec PodSpec", "3 status PodStatus"],
  PodStatus: [],
  Service: ["1 metadata ObjectMeta", "2 spec ServiceSpec", "3 status ServiceStatus"],
  ServiceStatus: ["1 loadBalancer Empty"],
  Empty: [],
  ServiceSpec: [
    "1 ports ServicePort[]",
    "2 selector map<string>",
    "3 clusterIP string",
    "4 type string",
    "5 externalIPs string[]",
    "7 sessionAffinity string",
    "8 loadBalancerIP string",
    "10 externalName string",
    "11 externalTrafficPolicy string",
    "12 healthCheckNodePort int",
    "13 publishNotReadyAddresses bool",
  ],
  ServicePort: [
    "1 name string",
    "2 protocol string",
    "3 port int",
    "4 targetPort IntOrString",
    "5 nodePort int",
    "6 appProtocol string",
  ],
  PolicyRule: [
    "1 verbs string[]",
    "2 apiGroups string[]",
    "3 resources string[]",
    "4 resourceNames string[]",
    "5 nonResourceURLs string[]",
  ],
  AggregationRule: ["1 clusterRoleSelectors LabelSelector[]"],
  Role: ["1 metadata ObjectMeta", "2 rules PolicyRule[]"],
  ClusterRole: ["1 metadata ObjectMeta", "2 rules PolicyRule[]", "3 aggregationRule AggregationRule"],
  Subject: ["1 kind string", "2 apiGroup string", "3 name string", "4 namespace string"],
  RoleRef: ["1 apiGroup string", "2 kind string", "3 name string"],
  RoleBinding: ["1 metadata ObjectMeta", "2 subjects Subject[]", "3 roleRef RoleRef"],
  ClusterRoleBinding: ["1 metadata ObjectMeta", "2 subjects Subject[]", "3 roleRef RoleRef"],
  PodDisruptionBudget: [
    "1 metadata ObjectMeta",
    "2 spec PodDisruptionBudgetSpec",
    "3 status PodDisruptionBudgetStatus",
  ],
  PodDisruptionBudgetSpec: [
    "1 minAvailable IntOrString",
    "2 selector LabelSelector",
    "3 maxUnavailable IntOrString",
  ],
  PodDisruptionBudgetStatus: [
    "1 observedGeneration int",
    "3 disruptionsAllowed int",
    "4 currentHealthy int",
    "5 desiredHealthy int",
    "6 expectedPods int",
  ],
  PriorityClass: [
    "1 metadata ObjectMeta",
    "2 value int",
    "3 globalDefault bool",
    "4 description string",
    "5 preemptionPolicy string",
  ],
  DeleteOptions: [
    "1 gracePeriodSeconds int",
    "2 preconditions Preconditions",
    "3 orphanDependents bool",
    "4 propagationPolicy string",
    "5 dryRun string[]",
  ],
  Preconditions: ["1 uid string", "2 resourceVersion string"],
};

export type FieldDescriptor = { name: string; type: string };

const parsed = new Map<string, Map<number, FieldDescriptor>>();
for (const [name, fields] of Object.entries(messages)) {
  const byNumber = new Map<number, FieldDescriptor>();
  for (const field of fields) {
    const [number = "", fieldName = "", type = ""] = field.split(" ");
    byNumber.set(Number(number), { name: fieldName, type });
  }
  parsed.set(name, byNumber);
}

/** The fields of a message by number, or undefined for a message that is not known here. */
export const messageFields = (name: string): ReadonlyMap<number, FieldDescriptor> | undefined =>
  parsed.get(name);
