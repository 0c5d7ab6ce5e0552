# spacebot: completion for fish. What it offers is compared with `spacebot --help` by tests/system/completions.sh.

function __spacebot_processes
    spacebot ps --json 2>/dev/null | string replace -rf '^\{"id":"([^"]*)","kind":"([^"]*)".*' '$1\t$2'
end

function __spacebot_models
    spacebot models --cached --json 2>/dev/null | string replace -rf '.*"model":"([^"]*)".*' '$1'
end

function __spacebot_verb
    __fish_seen_subcommand_from $argv
end

complete -c spacebot -f
complete -c spacebot -n __fish_use_subcommand -l help -d 'Tell about the verbs'
complete -c spacebot -n __fish_use_subcommand -l version -d 'Tell the version'
complete -c spacebot -n 'not __fish_use_subcommand' -l help -d 'Tell about this verb'

complete -c spacebot -n __fish_use_subcommand -a exec -d 'One message, until all its work has settled'
complete -c spacebot -n __fish_use_subcommand -a say -d 'Say something to a channel without waiting'
complete -c spacebot -n __fish_use_subcommand -a ps -d 'What runs'
complete -c spacebot -n __fish_use_subcommand -a log -d 'What a process did'
complete -c spacebot -n __fish_use_subcommand -a trace -d 'What led to a reply, with times and cost'
complete -c spacebot -n __fish_use_subcommand -a cancel -d 'End a worker, or the present turn of a channel'
complete -c spacebot -n __fish_use_subcommand -a inbox -d 'What waits for you: permissions and questions'
complete -c spacebot -n __fish_use_subcommand -a answer -d 'Answer what waits in the inbox'
complete -c spacebot -n __fish_use_subcommand -a permissions -d 'The rules about what tools may do'
complete -c spacebot -n __fish_use_subcommand -a undo -d 'Files as they were before a request'
complete -c spacebot -n __fish_use_subcommand -a attach -d 'Take the screen over to this terminal'
complete -c spacebot -n __fish_use_subcommand -a daemon -d 'Start an engine in the background that stays'
complete -c spacebot -n __fish_use_subcommand -a status -d 'How the engine is'
complete -c spacebot -n __fish_use_subcommand -a stop -d 'End the engine and everything it runs'
complete -c spacebot -n __fish_use_subcommand -a config -d 'The configuration file'
complete -c spacebot -n __fish_use_subcommand -a usage -d 'Tokens and money that were used'
complete -c spacebot -n __fish_use_subcommand -a models -d 'What the providers offer, and what it costs'
complete -c spacebot -n __fish_use_subcommand -a doctor -d 'Whether everything needed is here'

complete -c spacebot -n '__spacebot_verb exec' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb exec' -l channel -x -d 'The channel to say it to'
complete -c spacebot -n '__spacebot_verb exec' -l model -x -a '(__spacebot_models)' -d 'Model for every process of the channel'
complete -c spacebot -n '__spacebot_verb exec' -l workspace -x -a '(__fish_complete_directories)' -d 'Where its workers work'
complete -c spacebot -n '__spacebot_verb exec' -l attach -r -F -d 'A file that comes with the message'
complete -c spacebot -n '__spacebot_verb exec' -l allow -x -d 'What would ask is allowed'
complete -c spacebot -n '__spacebot_verb exec' -l timeout -x -d 'Seconds after which it is cancelled'
complete -c spacebot -n '__spacebot_verb say' -l attach -r -F -d 'A file that comes with the message'
complete -c spacebot -n '__spacebot_verb say' -l sender -x -d 'Who says it'
complete -c spacebot -n '__spacebot_verb say' -l to -x -a '(__spacebot_processes)' -d 'To a worker that waits'
complete -c spacebot -n '__spacebot_verb say' -l end -d 'Let it end with what it has'
complete -c spacebot -n '__spacebot_verb ps' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb ps' -l all -d 'Those that have ended too'
complete -c spacebot -n '__spacebot_verb log' -l follow -d 'Go on until the process ends'
complete -c spacebot -n '__spacebot_verb log' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb trace' -l request -d 'What was sent to models for it, and what came back'
complete -c spacebot -n '__spacebot_verb trace' -l last -d 'The last reply of all channels'
complete -c spacebot -n '__spacebot_verb trace' -l json -d 'One JSON document'
complete -c spacebot -n '__spacebot_verb inbox' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb answer' -l json -d 'The result as a JSON object'
complete -c spacebot -n '__spacebot_verb permissions' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb undo' -l list -d 'Show what there is to take back'
complete -c spacebot -n '__spacebot_verb undo' -l redo -d 'Take the newest undo back'
complete -c spacebot -n '__spacebot_verb undo' -l force -d 'Also where something else has changed a file since'
complete -c spacebot -n '__spacebot_verb undo' -l json -d 'The result as a JSON object'
complete -c spacebot -n '__spacebot_verb attach' -l plain -d 'Print what happens as lines'
complete -c spacebot -n '__spacebot_verb daemon' -l foreground -d 'Do not detach'
complete -c spacebot -n '__spacebot_verb status' -l json -d 'One JSON object'
complete -c spacebot -n '__spacebot_verb usage' -l by -x -a 'model process channel day' -d 'What the sums are of'
complete -c spacebot -n '__spacebot_verb usage' -l since -x -a 'today yesterday 7d 30d' -d 'From that day on'
complete -c spacebot -n '__spacebot_verb usage' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb models' -l cached -d 'Ask nobody: what they said last'
complete -c spacebot -n '__spacebot_verb models' -l json -d 'One JSON object a line'
complete -c spacebot -n '__spacebot_verb doctor' -l json -d 'One JSON object a line'

complete -c spacebot -n '__spacebot_verb say log cancel undo' -a '(__spacebot_processes)'
complete -c spacebot -n '__spacebot_verb config' -a 'init check show path'
complete -c spacebot -n '__spacebot_verb config' -l prompt -x -a 'channel branch worker' -d 'What a model is told first'
complete -c spacebot -n '__spacebot_verb config' -l channel -x -a '(__spacebot_processes)' -d 'For that conversation'
complete -c spacebot -n '__spacebot_verb config' -l tools -d 'The tools that it is offered, too'
complete -c spacebot -n '__spacebot_verb config' -l json -d 'As one JSON object'
complete -c spacebot -n '__spacebot_verb permissions' -a 'list revoke'
