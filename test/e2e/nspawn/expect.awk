# Reads `systemctl show` of all units, a blank line between them, and prints what the systemd collector must yield of
# units with the default exclusions, in no order.
BEGIN { FS = "="; split("active activating deactivating inactive failed", states, " ") }
function flush(    i, name, type) {
    if (!("Id" in unit)) return
    count[unit["ActiveState"]]++
    name = unit["Id"]
    if (unit["LoadState"] == "loaded" && name !~ /^.+\.(automount|device|mount|scope|slice)$/) {
        gsub(/\\/, "\\\\", name)
        type = name ~ /\.service$/ ? unit["Type"] : ""
        for (i = 1; i <= 5; i++)
            printf "node_systemd_unit_state{name=\"%s\",state=\"%s\",type=\"%s\"} %d\n", name, states[i], type,
                unit["ActiveState"] == states[i]
        if (name ~ /\.service$/) {
            printf "node_systemd_service_restart_total{name=\"%s\"} %s\n", name, number(unit["NRestarts"])
            if (unit["TasksCurrent"] ~ /^[0-9]+$/)
                printf "node_systemd_unit_tasks_current{name=\"%s\"} %s\n", name, number(unit["TasksCurrent"])
            if (unit["TasksMax"] ~ /^[0-9]+$/)
                printf "node_systemd_unit_tasks_max{name=\"%s\"} %s\n", name, number(unit["TasksMax"])
        }
        if (name ~ /\.socket$/) {
            printf "node_systemd_socket_accepted_connections_total{name=\"%s\"} %s\n", name, unit["NAccepted"]
            printf "node_systemd_socket_current_connections{name=\"%s\"} %s\n", name, unit["NConnections"]
            printf "node_systemd_socket_refused_connections_total{name=\"%s\"} %s\n", name, unit["NRefused"]
        }
    }
    delete unit
}
function number(text) { return text == "" ? 0 : text }
/^$/ { flush(); next }
{ key = $1; unit[key] = substr($0, length(key) + 2) }
END {
    flush()
    for (i = 1; i <= 5; i++)
        printf "node_systemd_units{state=\"%s\"} %d\n", states[i], count[states[i]]
}
