# spacebot: completion for bash. What it offers is compared with `spacebot --help` by tests/system/completions.sh.

# What runs here, by the parts of ids that have no colon in them: bash would cut there.
_spacebot_processes() {
    spacebot ps --json 2>/dev/null | sed -n 's/^{"id":"[a-z]*:\([^":]*\)".*/\1/p'
}

_spacebot_models() {
    spacebot models --cached --json 2>/dev/null | sed -n 's/.*"model":"\([^":]*\)".*/\1/p'
}

_spacebot() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} options=
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'exec say ps log trace cancel inbox answer permissions undo memory attach daemon status stop usage models config doctor
            --help --version' -- "$word")
        return
    fi

    case $verb in
    exec) options='--json --channel --model --workspace --attach --allow --timeout' ;;
    say) options='--sender --attach --to --end' ;;
    ps) options='--json --all' ;;
    log) options='--follow --json' ;;
    trace) options='--last --request --json' ;;
    inbox) options='--json' ;;
    answer) options='--json' ;;
    permissions) options='--json' ;;
    undo) options='--list --redo --force --json' ;;
    memory)
        options='--type --importance --person --channel --supersedes --superseded-by --reason --relation --weight
            --cut --change --force --forgotten --limit --mode --since --json'
        ;;
    attach) options='--plain' ;;
    daemon) options='--foreground' ;;
    status) options='--json' ;;
    usage) options='--by --since --json' ;;
    models) options='--cached --json' ;;
    config) options='--prompt --channel --tools --json' ;;
    doctor) options='--repair --json' ;;
    esac

    case $before in
    --workspace)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        compopt -o filenames 2>/dev/null
        return
        ;;
    --attach)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
        return
        ;;
    --model)
        mapfile -t COMPREPLY < <(compgen -W "$(_spacebot_models)" -- "$word")
        return
        ;;
    --by)
        mapfile -t COMPREPLY < <(compgen -W 'model process channel day' -- "$word")
        return
        ;;
    --since)
        mapfile -t COMPREPLY < <(compgen -W 'today yesterday 7d 30d' -- "$word")
        return
        ;;
    --channel | --allow | --timeout) return ;;
    --prompt)
        mapfile -t COMPREPLY < <(compgen -W 'channel branch worker' -- "$word")
        return
        ;;
    --to)
        mapfile -t COMPREPLY < <(compgen -W "$(_spacebot_processes)" -- "$word")
        return
        ;;
    esac

    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$word")
        return
    fi
    case $verb in
    log | cancel | say | undo) mapfile -t COMPREPLY < <(compgen -W "$(_spacebot_processes)" -- "$word") ;;
    memory)
        if ((COMP_CWORD == 2)); then
            mapfile -t COMPREPLY < <(compgen -W 'add recall list show edit forget restore link history undo stats export import' -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    permissions)
        ((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W 'list revoke' -- "$word")
        ;;
    config)
        ((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W 'init check show path' -- "$word")
        ;;
    esac
}

complete -F _spacebot spacebot
