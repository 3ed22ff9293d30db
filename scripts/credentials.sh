#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the credentials that an installation needs: certificates, tokens, the PIN's Secret; and rotates them.
set -euo pipefail
umask 077

usage() {
  cat <<'USAGE'
usage: scripts/credentials.sh [--apply | --dir DIR] [options]

Without --apply or --dir, prints the Secrets' manifests (for a pipe into sealing or encrypting tools).
  --apply               create the Secrets with kubectl; refuses if one exists
  --dir DIR             write plain files for a local run (mode 0600), valid for localhost too
  --rotate              replace what exists
  --rotate-tokens STEP  with --apply: replace the tokens while old ones still work; STEP is add, then use, then drop
  --only LIST           a comma-separated choice of tls, tokens, pin (default: these; never the PIN with --dir), bot;
                        or write, with --apply: the token for writing alone, into the Secret that has the one for reading
  --pin-file FILE       read the PIN from FILE in place of asking for it
  --keep-ca DIR         keep the CA's key and certificate in DIR, or use those that are there (default: thrown away)
  --san [SERVICE=]NAME  another DNS name or IP address of the certificates; SERVICE is webhook, agent or bot (default: all)
  --days N              how long the servers' certificates are valid (default 825)
  --namespace NAME      default keyswitch
USAGE
}

fail() {
  echo "credentials.sh: $*" >&2
  exit 1
}

mode=print dir= rotate=false step= only=tls,tokens,pin pin_file= ca_dir= days=825 namespace=keyswitch
extra_webhook=() extra_agent=() extra_bot=()

while [ $# -gt 0 ]; do
  case $1 in
    --apply) [ "$mode" = print ] || fail "--apply and --dir exclude each other"; mode=apply; shift; continue ;;
    --rotate) rotate=true; shift; continue ;;
    -h | --help) usage; exit 0 ;;
    --dir | --rotate-tokens | --only | --pin-file | --keep-ca | --san | --days | --namespace)
      { [ $# -ge 2 ] && [ -n "$2" ]; } || fail "$1 needs a value" ;;
    *) usage >&2; fail "unknown option: $1" ;;
  esac
  case $1 in
    --dir) [ "$mode" = print ] || fail "--apply and --dir exclude each other"; mode=dir dir=$2 ;;
    --rotate-tokens) step=$2 ;;
    --only) only=$2 ;;
    --pin-file) pin_file=$2 ;;
    --keep-ca) ca_dir=$2 ;;
    --san)
      case ${2#*=} in *[!A-Za-z0-9.:*-]* | "") fail "--san: not a DNS name or an IP address: ${2#*=}" ;; esac
      case $2 in
        webhook=*) extra_webhook+=("${2#*=}") ;;
        agent=*) extra_agent+=("${2#*=}") ;;
        bot=*) extra_bot+=("${2#*=}") ;;
        *=*) fail "--san: SERVICE must be webhook, agent or bot" ;;
        *) extra_webhook+=("$2") extra_agent+=("$2") extra_bot+=("$2") ;;
      esac ;;
    --days) case $2 in *[!0-9]*) fail "--days must be a number of days" ;; esac; days=$2 ;;
    --namespace) case $2 in *[!a-z0-9-]*) fail "--namespace: not a namespace's name: $2" ;; esac; namespace=$2 ;;
  esac
  shift 2
done
case $step in "" | add | use | drop) ;; *) fail "--rotate-tokens must be add, use or drop" ;; esac
[ -z "$step" ] || [ "$mode" = apply ] || fail "--rotate-tokens needs --apply"
if [ "$only" = write ]; then
  [ "$mode" = apply ] && [ -z "$step" ] || fail "--only write is for --apply, without --rotate-tokens"
else
  for part in ${only//,/ }; do
    case $part in
      tls | tokens | pin | bot) ;;
      write) fail "--only write goes with no other part" ;;
      *) fail "--only knows tls, tokens, pin, bot and write, not $part" ;;
    esac
  done
fi
wants() { case ,$only, in *,"$1",*) true ;; *) false ;; esac; }
if [ "$mode" = print ] && [ -t 1 ]; then
  fail "standard output is a terminal, and keys don't belong there: use --apply, --dir, or a pipe"
fi
command -v openssl >/dev/null || fail "openssl is not installed"
[ "$mode" != apply ] || command -v kubectl >/dev/null || fail "kubectl is not installed"

# Everything secret is a file in here, or goes through a pipe: never an argument of a process.
work=$(mktemp -d)
terminal=
end_work() {
  rm -rf "$work"
  [ -z "$terminal" ] || stty "$terminal" </dev/tty
}
trap end_work EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- making ----

make_ca() {
  if [ -n "$ca_dir" ] && [ -e "$ca_dir/ca.key" ]; then
    cp "$ca_dir/ca.key" "$ca_dir/ca.crt" "$work/" || fail "$ca_dir must hold ca.key and ca.crt"
    return
  fi
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
  {
    printf '[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nCN=keyswitch-ca\n'
    printf '[ca]\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
  } >"$work/ca.cnf"
  openssl req -new -x509 -sha256 -days 3650 -key "$work/ca.key" -config "$work/ca.cnf" -out "$work/ca.crt"
  if [ -n "$ca_dir" ]; then
    mkdir -p "$ca_dir"
    cp "$work/ca.key" "$work/ca.crt" "$ca_dir/"
  fi
}

# make_certificate SERVICE [NAME…]: SERVICE.crt and SERVICE.key, for the Service's names and the others.
make_certificate() {
  local service=$1 san="" name
  shift
  local host=keyswitch-$service
  for name in "$host" "$host.$namespace" "$host.$namespace.svc" "$host.$namespace.svc.cluster.local" "$@"; do
    case $name in
      *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) san+=",IP:$name" ;;
      *) san+=",DNS:$name" ;;
    esac
  done
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/$service.key"
  printf '[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=%s\n' "$host" >"$work/$service.cnf"
  {
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n'
    printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=%s\n' "${san#,}"
  } >"$work/$service.ext"
  openssl req -new -sha256 -key "$work/$service.key" -config "$work/$service.cnf" -out "$work/$service.csr"
  openssl x509 -req -sha256 -days "$days" -in "$work/$service.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" \
    -set_serial "0x$(openssl rand -hex 16)" -extfile "$work/$service.ext" -out "$work/$service.crt" 2>"$work/$service.log" ||
    { cat "$work/$service.log" >&2; fail "openssl could not sign the certificate of $host"; }
}

# make_token FILE: 256 random bits in hex, without a newline, which has no place in a header.
make_token() { openssl rand -hex 32 | tr -d '\n' >"$work/$1"; }

read_pin() {
  if [ -n "$pin_file" ]; then
    [ -r "$pin_file" ] || fail "--pin-file: $pin_file can't be read"
    tr -d '\r\n' <"$pin_file" >"$work/pin"
  else
    local pin again
    { exec 3<>/dev/tty; } 2>/dev/null || fail "no terminal to ask for the PIN: use --pin-file, or leave the PIN out with --only tls,tokens"
    # Before the prompt, so that what is typed at once is not shown either; end_work turns it on again.
    terminal=$(stty -g <&3)
    stty -echo <&3
    printf 'PIN of the token (not shown): ' >&3
    IFS= read -r pin <&3
    printf '\nOnce more: ' >&3
    IFS= read -r again <&3
    printf '\n' >&3
    stty "$terminal" <&3
    terminal=
    exec 3>&-
    [ "$pin" = "$again" ] || fail "the two PINs differ"
    printf '%s' "$pin" >"$work/pin"
  fi
  [ -s "$work/pin" ] || fail "the PIN is empty"
}

# ---- writing ----

# print_secret NAME TYPE KEY=FILE…: the manifest of a Secret whose values are files in the work directory.
print_secret() {
  local name=$1 type=$2 entry
  shift 2
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\n' "$name" "$namespace"
  printf '  labels:\n    app.kubernetes.io/part-of: keyswitch\ntype: %s\ndata:\n' "$type"
  for entry in "$@"; do
    printf '  %s: %s\n' "${entry%%=*}" "$(openssl base64 -A -in "$work/${entry#*=}")"
  done
}

print_tokens() {
  print_secret keyswitch-hook-token Opaque token=hook-token
  local agent=(read=agent-read-token)
  # An agent that nobody may write to has none.
  [ ! -e "$work/agent-write-token" ] || agent+=(write=agent-write-token)
  print_secret keyswitch-agent-token Opaque "${agent[@]}"
}

print_secrets() {
  if wants tls; then
    print_secret keyswitch-webhook-tls kubernetes.io/tls tls.crt=webhook.crt tls.key=webhook.key ca.crt=ca.crt
    print_secret keyswitch-agent-tls kubernetes.io/tls tls.crt=agent.crt tls.key=agent.key ca.crt=ca.crt
  fi
  ! wants tokens || print_tokens
  ! wants pin || print_secret keyswitch-pkcs11 Opaque pin=pin
  if wants bot; then
    print_secret keyswitch-bot-tls kubernetes.io/tls tls.crt=bot.crt tls.key=bot.key ca.crt=ca.crt
    print_secret keyswitch-bot-metrics Opaque token=bot-metrics-token
  fi
}

secret_names() {
  ! wants tls || printf '%s\n' keyswitch-webhook-tls keyswitch-agent-tls
  ! wants tokens || printf '%s\n' keyswitch-hook-token keyswitch-agent-token
  ! wants pin || printf '%s\n' keyswitch-pkcs11
  ! wants bot || printf '%s\n' keyswitch-bot-tls keyswitch-bot-metrics
}

# Not a client-side apply: that would copy the values into an annotation.
replace_secrets() { kubectl apply --server-side --force-conflicts --field-manager=keyswitch-credentials -f -; }

# Metacontroller reads the CA and the token of a hook when its CompositeController changes.
touch_controllers() {
  local controller
  for controller in hsmsecret toggle; do
    [ -n "$(kubectl get compositecontroller "$controller" --ignore-not-found -o name)" ] || continue
    kubectl annotate --overwrite compositecontroller "$controller" "hsm.j5t.io/credentials-of=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  done
}

# ---- rotating tokens ----

# The servers accept each line of a token file; the webhook sends the first. Metacontroller sends the whole value, so
# that the hook's token must be one line again before Metacontroller reads it. A line name:token is somebody's own token, and
# stays.
rotate_tokens() {
  local entry secret key file old new
  for entry in keyswitch-hook-token/token/hook-token keyswitch-agent-token/read/agent-read-token keyswitch-agent-token/write/agent-write-token; do
    IFS=/ read -r secret key file <<<"$entry"
    kubectl -n "$namespace" get secret "$secret" -o "jsonpath={.data.$key}" | openssl base64 -d -A >"$work/$file.now"
    sed -n '/:/p' "$work/$file.now" >"$work/$file.named"
    sed '/:/d' "$work/$file.now" >"$work/$file.plain"
    old=$(sed -n 1p "$work/$file.plain") new=$(sed -n 2p "$work/$file.plain")
    if [ -z "$old" ]; then
      [ "$key" = write ] || fail "the Secret $secret has no key $key"
      [ ! -s "$work/$file.named" ] || cp "$work/$file.now" "$work/$file"
      continue
    fi
    case $step in
      add)
        [ -z "$new" ] || fail "$secret/$key already holds two tokens: go on with --rotate-tokens use"
        make_token "$file.new"
        printf '%s\n%s' "$old" "$(cat "$work/$file.new")" >"$work/$file" ;;
      use)
        [ -n "$new" ] || fail "$secret/$key holds one token: begin with --rotate-tokens add"
        if [ "$file" = hook-token ]; then printf '%s' "$new"; else printf '%s\n%s' "$new" "$old"; fi >"$work/$file" ;;
      drop) printf '%s' "$old" >"$work/$file" ;;
    esac
    [ ! -s "$work/$file.named" ] || { echo; cat "$work/$file.named"; } >>"$work/$file"
  done
  print_tokens | replace_secrets
  [ "$step" != use ] || touch_controllers
  case $step in
    add) echo "Both tokens are accepted once each pod has seen the change: wait two minutes, then --rotate-tokens use." >&2 ;;
    use) echo "The new tokens are in use within a minute or two: wait two minutes, then --rotate-tokens drop." >&2 ;;
    drop) echo "Only the new tokens are accepted now." >&2 ;;
  esac
}

# The Secret keeps its other keys: to the API server this is another manager's field.
set_write_token() {
  local found
  found=$(kubectl -n "$namespace" get secret keyswitch-agent-token -o 'jsonpath={.data.write}')
  [ -z "$found" ] || [ "$rotate" = true ] ||
    fail "the Secret $namespace/keyswitch-agent-token has a key write: nothing was changed (--rotate replaces it)"
  make_token agent-write-token
  print_secret keyswitch-agent-token Opaque write=agent-write-token |
    kubectl apply --server-side --force-conflicts --field-manager=keyswitch-write -f -
}

# ---- the steps ----

if [ -n "$step" ]; then
  rotate_tokens
  exit 0
fi
if [ "$only" = write ]; then
  set_write_token
  exit 0
fi

if [ "$mode" = dir ]; then
  case $only in tls,tokens,pin) only=tls,tokens ;; esac
  extra_webhook+=(localhost 127.0.0.1 ::1) extra_agent+=(localhost 127.0.0.1 ::1)
  extra_bot+=(localhost 127.0.0.1 ::1)
fi
files=()
! wants tls || files+=(ca.crt webhook.crt webhook.key agent.crt agent.key)
! wants tokens || files+=(hook-token agent-read-token agent-write-token)
! wants pin || files+=(pin)
! wants bot || files+=(bot.crt bot.key bot-metrics-token)
! wants bot || wants tls || files+=(ca.crt)

if [ "$rotate" = false ]; then
  case $mode in
    dir)
      for file in "${files[@]}"; do
        [ ! -e "$dir/$file" ] || fail "$dir/$file exists: nothing was changed (--rotate replaces it)"
      done ;;
    apply)
      # Checked before anything is made, so that a refusal changes nothing.
      for name in $(secret_names); do
        found=$(kubectl -n "$namespace" get secret "$name" --ignore-not-found -o name)
        [ -z "$found" ] || fail "the Secret $namespace/$name exists: nothing was changed (--rotate replaces it, --only leaves it out)"
      done ;;
  esac
fi

if wants tls || wants bot; then make_ca; fi
if wants tls; then
  make_certificate webhook ${extra_webhook[@]+"${extra_webhook[@]}"}
  make_certificate agent ${extra_agent[@]+"${extra_agent[@]}"}
fi
if wants tokens; then
  for file in hook-token agent-read-token agent-write-token; do make_token "$file"; done
fi
! wants pin || read_pin
if wants bot; then
  make_certificate bot ${extra_bot[@]+"${extra_bot[@]}"}
  make_token bot-metrics-token
fi

case $mode in
  print) print_secrets ;;
  dir)
    mkdir -p "$dir"
    for file in "${files[@]}"; do
      # Beside and renamed, so that a reader sees the old file or the new one.
      cp "$work/$file" "$dir/.$file.new"
      mv -f "$dir/.$file.new" "$dir/$file"
    done ;;
  apply)
    if [ "$rotate" = true ]; then
      print_secrets | replace_secrets
      if wants tls || wants tokens; then touch_controllers; fi
    else
      print_secrets | kubectl create -f -
    fi ;;
esac
