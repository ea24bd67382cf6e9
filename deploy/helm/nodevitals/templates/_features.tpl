{{- /*
What a feature is in which preset, and what it needs: the flags that switch it on and off, root (for root's own files, which
take no capability), capabilities (which Kubernetes gives to root alone), the processes of others, the kubelet, the bus, the
host's folders (rootFs: without hostRootFsMount no preset has it). From this table and the values follows all that the pod may
do; see "nodevitals.needs".
*/}}
{{- define "nodevitals.features" -}}
{
  "containers": {"presets": ["standard", "full", "privileged"], "with": "--collector.container",
    "without": "--no-collector.container", "hostPID": true, "kubelet": true},
  "kubePods": {"presets": ["standard", "full", "privileged"], "with": "--collector.kube-pods",
    "without": "--no-collector.kube-pods", "kubelet": true},
  "podMetrics": {"presets": [], "with": "--kube.annotations", "without": "--no-kube.annotations", "kubelet": true},
  "kubeletSummary": {"presets": ["full", "privileged"], "with": "--collector.kubelet-summary", "kubelet": true},
  "systemd": {"presets": ["full", "privileged"], "with": "--collector.systemd", "bus": true, "rootFs": true},
  "processes": {"presets": ["full", "privileged"], "with": "--collector.processes"},
  "journal": {"presets": ["full", "privileged"], "with": "--collector.journal", "root": true, "rootFs": true},
  "slabinfo": {"presets": ["full", "privileged"], "with": "--collector.slabinfo", "root": true},
  "energy": {"presets": ["full", "privileged"], "with": "--collector.rapl", "without": "--no-collector.rapl", "root": true},
  "closedFolders": {"presets": ["full", "privileged"], "capabilities": ["DAC_READ_SEARCH"], "rootFs": true},
  "openFiles": {"presets": ["full", "privileged"], "with": "--collector.container.enable-metrics=fds",
    "capabilities": ["SYS_PTRACE", "DAC_READ_SEARCH"]},
  "perf": {"presets": [], "with": "--collector.perf", "capabilities": ["PERFMON"]},
  "kmsg": {"presets": ["privileged"], "with": "--collector.kmsg", "capabilities": ["SYSLOG"], "kmsg": true}
}
{{- end }}

{{- /* As JSON: flags, capabilities, root, account, privileged, hostPID, kubelet, token, bus, kmsg, and <feature>On. */}}
{{- define "nodevitals.needs" -}}
{{- $flags := list }}
{{- $capabilities := list }}
{{- $needs := dict "root" false "hostPID" false "kubelet" .Values.kubelet.portNames "bus" false "kmsg" false }}
{{- $group := not (kindIs "invalid" .Values.journal.group) }}
{{- $elsewhere := not (hasPrefix "/host/root" .Values.journal.directory) }}
{{- $table := fromJson (include "nodevitals.features" .) }}
{{- range $name := keys $table | sortAlpha }}
  {{- $feature := get $table $name }}
  {{- $blind := and $feature.rootFs (not $.Values.hostRootFsMount.enabled) (not (and (eq $name "journal") $elsewhere)) }}
  {{- $on := has $.Values.preset $feature.presets }}
  {{- if and (eq $name "journal") $group }}{{ $on = true }}{{ end }}
  {{- if $blind }}{{ $on = false }}{{ end }}
  {{- $asked := get $.Values.features $name }}
  {{- if kindIs "bool" $asked }}{{ $on = $asked }}{{ end }}
  {{- if and $on $blind }}
    {{- fail (printf "features.%s looks into folders of the host: hostRootFsMount.enabled" $name) }}
  {{- end }}
  {{- if $on }}
    {{- if $feature.with }}{{ $flags = append $flags $feature.with }}{{ end }}
    {{- if and (eq $name "journal") $group }}{{ $_ := unset $feature "root" }}{{ end }}
    {{- $capabilities = concat $capabilities (default list $feature.capabilities) }}
    {{- range $need := list "root" "hostPID" "kubelet" "bus" "kmsg" }}
      {{- if get $feature $need }}{{ $_ := set $needs $need true }}{{ end }}
    {{- end }}
  {{- else if $feature.without }}
    {{- $flags = append $flags $feature.without }}
  {{- end }}
  {{- $_ := set $needs (printf "%sOn" $name) $on }}
{{- end }}
{{- $_ := set $needs "privileged" (and $needs.kmsg (not .Values.kmsg.deviceResource)) }}
{{- $_ := set $needs "root" (or $needs.root $needs.privileged (not (empty $capabilities))) }}
{{- $_ := set $needs "account" (ternary 0 65534 $needs.root) }}
{{- $_ := set $needs "token" (or $needs.kubelet .Values.web.kubernetesAuth) }}
{{- if not (kindIs "invalid" .Values.hostPID) }}{{ $_ := set $needs "hostPID" .Values.hostPID }}{{ end }}
{{- toJson (merge (dict "flags" $flags "capabilities" (uniq $capabilities | sortAlpha)) $needs) }}
{{- end }}
