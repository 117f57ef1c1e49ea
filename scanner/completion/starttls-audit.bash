# SPDX-License-Identifier: MIT
# Completion of starttls-audit for bash, on top of the package bash-completion, which loads it when it is first wanted.
#
# The program is asked what there is: commands and options by --help, which also says what argument an option takes, and
# formats, policies, rules and services by the commands that list them. So this cannot be older than the program.

# The program as it was typed; nothing that it says to people is of interest here.
_starttls_audit_ask()
{
    ARGP_HELP_FMT='' "${words[0]/#\~/$HOME}" "$@" 2>/dev/null
}

# What options there are, a line each: "-o --output FILE", "- --json".
_starttls_audit_options()
{
    _starttls_audit_ask "$1" --help |
        sed -En 's/^ {2,6}(-[^-], )?--([a-z0-9-]+)(\[?=([^] ]+)\]?)?( .*)?$/\1- --\2 \4/; s/^(-.), -/\1/; /^-/p'
}

_starttls_audit_formats()
{
    ARGP_HELP_FMT='' "${words[0]/#\~/$HOME}" export --format '?' 2>&1 >/dev/null |
        sed -En 's/^  ([a-z0-9-]+) .*/\1/p'
}

# The rows of "rules" below a heading like this: their last heading is that of the policies.
_starttls_audit_rules()
{
    _starttls_audit_ask rules | awk '/^[^ ]/ { policies = /^Policies:/ }
        /^  / { print policies ? "policy" : "rule", policies ? $1 : $2 }'
}

# The words of a list, the last of which is being typed.
_starttls_audit_list()
{
    local begun=
    [[ $cur == *,* ]] && begun=${cur%,*},
    COMPREPLY=($(compgen -P "$begun" -W "$1" -- "${cur##*,}"))
    compopt -o nospace
}

# The argument of an option, by what the option is, or by what --help calls its argument.
_starttls_audit_argument()
{
    local services
    case $1 in
    format)
        COMPREPLY=($(compgen -W "$(_starttls_audit_formats)" -- "$cur"))
        return ;;
    export)
        if [[ $cur == *=* ]]; then
            cur=${cur#*=}
            _filedir
        else
            COMPREPLY=($(compgen -S = -W "$(_starttls_audit_formats)" -- "$cur"))
            compopt -o nospace
        fi
        return ;;
    policy)
        _filedir yaml
        COMPREPLY+=($(compgen -W "$(_starttls_audit_rules | sed -n 's/^policy //p')" -- "$cur"))
        return ;;
    facts)
        _starttls_audit_list "capabilities versions handshake login injection"
        return ;;
    services | expect)
        services=$(_starttls_audit_ask services | awk 'NR > 1 { print $1; print $1 "/" $2 }' | sort -u)
        _starttls_audit_list "$services"
        return ;;
    esac
    case $2 in
    *FILE* | *RECORDS* | DB) _filedir ;;
    DIR) _filedir -d ;;
    SEVERITY) COMPREPLY=($(compgen -W "info low medium high critical" -- "$cur")) ;;
    MODE) COMPREPLY=($(compgen -W "auto off require" -- "$cur")) ;;
    COMMAND) COMPREPLY=($(compgen -c -- "$cur" | sort -u)) ;;
    esac
}

# An argument that belongs to no option.
_starttls_audit_operand()
{
    case $1 in
    audit | diff | export | merge) _filedir ;;
    rules) COMPREPLY=($(compgen -W "$(_starttls_audit_rules | sed 's/^[a-z]* //')" -- "$cur")) ;;
    state)
        if [[ $cword -eq 2 ]]; then
            COMPREPLY=($(compgen -W "add check rebuild runs" -- "$cur"))
        else
            _filedir
        fi ;;
    esac
}

_starttls_audit()
{
    local cur prev words cword split options short name takes
    _init_completion -s || return

    if [[ $cword -eq 1 ]]; then
        COMPREPLY=($(compgen -W "$(_starttls_audit_ask --help | sed -En 's/^  ([a-z]+) .*/\1/p') --help --version" \
            -- "$cur"))
        return
    fi
    options=$(_starttls_audit_options "${words[1]}")
    while read -r short name takes; do
        [[ $takes && ($prev == "$name" || $prev == "$short") && $prev != - ]] || continue
        _starttls_audit_argument "${name#--}" "$takes"
        return
    done <<<"$options"
    $split && return
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$(cut -d" " -f 2 <<<"$options")" -- "$cur"))
    else
        _starttls_audit_operand "${words[1]}"
    fi
} &&
    complete -F _starttls_audit starttls-audit
