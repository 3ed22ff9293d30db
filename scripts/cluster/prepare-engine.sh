#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets a real engine for `npm run test:cluster` where there is the internet, Docker, kubectl and Go: Metacontroller's program and
# definitions from its release, and an API server, which is the programs of setup-envtest or a cluster of kind.
# Prints the variables that test:cluster reads, a NAME=VALUE line each.
# usage: KUBERNETES_VERSION=1.36.2 scripts/cluster/prepare-engine.sh envtest|kind FOLDER
set -euo pipefail
engine=${1:?envtest or kind} folder=${2:?a folder}
manifests="https://github.com/metacontroller/metacontroller//manifests/production?ref=v4.17.2"
version=${KUBERNETES_VERSION:?such as 1.36.2}
arch=$(dpkg --print-architecture)
mkdir -p "$folder"

kubectl kustomize "$manifests" > "$folder/metacontroller.yaml"
image=$(sed -n 's/^ *image: //p' "$folder/metacontroller.yaml" | head -n 1)
container=$(docker create "$image")
docker cp "$container:/usr/bin/metacontroller" "$folder/metacontroller" > /dev/null
docker rm "$container" > /dev/null
# Of all that is installed, the definitions: documents are parted by lines of three dashes.
awk 'BEGIN { RS = "---\n" } /\nkind: CustomResourceDefinition\n/ { printf "---\n%s", $0 }' \
  "$folder/metacontroller.yaml" > "$folder/definitions.yaml"
echo "METACONTROLLER_BIN=$folder/metacontroller"
echo "METACONTROLLER_CRDS=$folder/definitions.yaml"

case $engine in
  envtest)
    assets=$(go run sigs.k8s.io/controller-runtime/tools/setup-envtest@latest use "${version%.*}.x" --bin-dir "$folder" --print path)
    curl -fsSLo "$folder/kube-controller-manager" "https://dl.k8s.io/v$version/bin/linux/$arch/kube-controller-manager"
    chmod +x "$folder/kube-controller-manager"
    echo "KUBEBUILDER_ASSETS=$assets"
    echo "KUBE_CONTROLLER_MANAGER_BIN=$folder/kube-controller-manager"
    ;;
  kind)
    go run sigs.k8s.io/kind@latest create cluster --name keyswitch --kubeconfig "$folder/kubeconfig" --wait 120s >&2
    echo "KUBECONFIG=$folder/kubeconfig"
    ;;
  *)
    echo "$engine is not known: envtest or kind" >&2
    exit 2
    ;;
esac
