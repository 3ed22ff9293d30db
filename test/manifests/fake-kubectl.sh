#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stand-in for kubectl that keeps one file for each Secret in $FAKE_CLUSTER, in place of an API server.
set -eu
store() {
  name=
  while IFS= read -r line; do
    case $line in
      ---) name= ;;
      "  name: "*) name=${line#  name: }; : >"$FAKE_CLUSTER/$name" ;;
      *": "*) [ -z "$name" ] || printf '%s\n' "${line#  }" >>"$FAKE_CLUSTER/$name" ;;
    esac
  done
}
case "$*" in
  "-n keyswitch get secret "*" --ignore-not-found -o name") [ ! -e "$FAKE_CLUSTER/$5" ] || echo "secret/$5" ;;
  "-n keyswitch get secret "*" -o jsonpath={.data."*"}")
    key=${7#jsonpath=\{.data.}
    sed -n "s/^${key%\}}: //p" "$FAKE_CLUSTER/$5" | tr -d '\n' ;;
  "create -f -") store; echo created >>"$FAKE_CLUSTER/.log" ;;
  "apply --server-side --force-conflicts --field-manager=keyswitch-credentials -f -") store; echo applied >>"$FAKE_CLUSTER/.log" ;;
  "apply --server-side --force-conflicts --field-manager=keyswitch-write -f -")
    # Keys that are not in what is applied stay.
    before=$(sed '/^write: /d' "$FAKE_CLUSTER/keyswitch-agent-token")
    store
    printf '%s\n' "$before" >>"$FAKE_CLUSTER/keyswitch-agent-token"
    echo applied >>"$FAKE_CLUSTER/.log" ;;
  "get compositecontroller hsmsecret --ignore-not-found -o name") echo compositecontroller/hsmsecret ;;
  "annotate --overwrite compositecontroller hsmsecret hsm.j5t.io/credentials-of="*) echo touched >>"$FAKE_CLUSTER/.log" ;;
  *) echo "fake-kubectl: unexpected: $*" >&2; exit 1 ;;
esac
