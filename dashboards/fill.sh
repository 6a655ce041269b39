#!/bin/sh
# fill.sh FROM TO COMMAND [ARGUMENT...]: copies the file FROM to TO with each ${NAME} replaced by that variable of the
# environment, then becomes COMMAND. For programs that do not read the environment themselves. A value may hold
# anything but a line break; quotes and backslashes are escaped, so put ${NAME} into double quotes. A name that is
# not set stops the start. Lines of comment stay as they are.
set -eu
from=$1 to=$2
shift 2
awk '
/^ *#/ { print; next }
{
    filled = ""
    while (match($0, /\$\{[A-Z][A-Z0-9_]*\}/)) {
        name = substr($0, RSTART + 2, RLENGTH - 3)
        if (!(name in ENVIRON)) {
            print FILENAME ":" FNR ": " name " is not set" > "/dev/stderr"
            exit 1
        }
        value = ENVIRON[name]
        gsub(/[\\"]/, "\\\\&", value)
        filled = filled substr($0, 1, RSTART - 1) value
        $0 = substr($0, RSTART + RLENGTH)
    }
    print filled $0
}' "$from" > "$to"
exec "$@"
