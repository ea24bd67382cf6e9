#!/bin/sh
# make.sh NODEVITALS VERSION DATE < nodevitals.1.in > nodevitals.1: puts the flags, which the program itself tells, into the
# manual page. Lines behind a sentence are broken, for roff counts on that.
set -eu
program=$1 version=$2 date=$3

# flags COMMAND...: its flags without --help, --version and, within tsdb, the folder that all take.
flags() {
    page=$("$program" "$@" --help-man) # a failure ends the script here, which it would not within a pipe
    printf '%s\n' "$page" | awk -v tsdb="$1" '
        /^\.SH OPTIONS/ { on = 1; next }
        !on { next }
        /^\.SS "Of this command"|^\.SS "(Query|Top)"/ { next }
        tsdb == "tsdb" && /^\.SS "Storage"/ { next }
        /^\.TP/ { entry = 1; next }
        entry { entry = 0; skip = /^\\fB(\\-h, \\-\\-help|\\-\\-version)\\fR$/ || (tsdb == "tsdb" && /storage\.tsdb\.path/)
                if (!skip) { print ".TP"; print }
                next }
        !skip || /^\.SS/ { skip = 0; print_text($0) }
        function print_text(text) { gsub(/\. /, ".\n", text); print text }'
}

while IFS= read -r line; do
    case $line in
    "@FLAGS "*@)
        command=${line#@FLAGS }
        # shellcheck disable=SC2086 # a command of two words
        flags ${command%@}
        ;;
    '.\" '*) ;; # what is said to those who change the page
    *) printf '%s\n' "$line" | sed "s|@VERSION@|$version|; s|@DATE@|$date|" ;;
    esac
done
