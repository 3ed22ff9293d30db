// SPDX-License-Identifier: Apache-2.0
// `completion` prints a shell script that calls `kubectl-hsm __complete` at each Tab.
import { command } from "../arguments.ts";
import { write } from "../io.ts";

const bash = `# bash completion of kubectl-hsm; source it, or put it into your completions folder.
_kubectl_hsm() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :file) compopt -o default 2>/dev/null; COMPREPLY=(); return ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done < <(kubectl-hsm __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _kubectl_hsm kubectl-hsm
`;

const zsh = `#compdef kubectl-hsm
_kubectl_hsm() {
  local -a found
  found=("\${(@f)$(kubectl-hsm __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == :file ]]; then _files; else compadd -a found; fi
}
if [[ $funcstack[1] == _kubectl_hsm ]]; then _kubectl_hsm "$@"; else compdef _kubectl_hsm kubectl-hsm; fi
`;

const fish = `# fish completion of kubectl-hsm
function __kubectl_hsm_complete
    set -l words (commandline -opc)
    set -l found (kubectl-hsm __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$found[1]" = ":file"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c kubectl-hsm -f -a '(__kubectl_hsm_complete)'
`;

const scripts: Readonly<Record<string, string>> = { bash, zsh, fish };

export const completion = command({
  name: "completion",
  summary: "print the completion script of a shell",
  operands: [{ name: "SHELL", required: true, choices: Object.keys(scripts) }],
  options: {},
  notes: [
    "bash: source <(kubectl hsm completion bash)",
    "zsh:  source <(kubectl hsm completion zsh)",
    "fish: kubectl hsm completion fish | source",
    "The word is kubectl-hsm. kubectl completes `kubectl hsm` by the program kubectl_complete-hsm beside it.",
  ],
  async run(context, { operands: [shell = ""] }) {
    await write(context.io.stdout, scripts[shell] ?? "");
    return "done";
  },
});
