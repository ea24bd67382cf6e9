{{- /* Parts of the pod. */}}

{{- /*
The agent's flags, as a list: the chart's own, but for those that extraArgs has, too, and then these. The agent refuses a flag
that is given twice, and lists of what to include beside lists of what to leave out; where to listen is the chart's matter.
*/}}
{{- define "nodevitals.args" -}}
{{- $beside := dict "collector.filesystem.mount-points-exclude" (list "collector.filesystem.mount-points-include" "collector.filesystem.ignored-mount-points") "collector.netdev.device-exclude" (list "collector.netdev.device-include" "collector.netdev.device-blacklist" "collector.netdev.device-whitelist") }}
{{- $theirs := list }}
{{- $given := list }}
{{- range .Values.extraArgs }}
{{- $arg := tpl . $ }}
{{- $theirs = append $theirs $arg }}
{{- $given = append $given (regexReplaceAll "^--(no-)?|=.*" $arg "") }}
{{- end }}
{{- $args := list }}
{{- range $arg := include "nodevitals.ownArgs" . | trim | splitList "\n" }}
{{- $name := regexReplaceAll "^--(no-)?|=.*" $arg "" }}
{{- $taken := and (ne $name "web.listen-address") (has $name $given) }}
{{- range get $beside $name | default list }}{{ $taken = or $taken (has . $given) }}{{ end }}
{{- if not $taken }}{{ $args = append $args $arg }}{{ end }}
{{- end }}
{{- toYaml (concat $args $theirs) }}
{{- end }}

{{- /* A flag a line. Where the root of the host is not to be seen, sizes of what is mounted in it would be made up. */}}
{{- define "nodevitals.ownArgs" -}}
{{- $needs := fromJson (include "nodevitals.needs" .) -}}
--path.procfs=/host/proc
--path.sysfs=/host/sys
{{- if .Values.hostRootFsMount.enabled }}
--path.rootfs=/host/root
--path.udev.data=/host/root/run/udev/data
{{- else }}
--no-collector.filesystem
{{- end }}
--log.level={{ .Values.log.level }}
--log.format={{ .Values.log.format }}
--web.listen-address={{ if not .Values.service.listenOnAllInterfaces }}[$(POD_IP)]{{ end }}:{{ .Values.service.targetPort }}
{{- if include "nodevitals.webSecret" . }}
--web.config.file=/etc/nodevitals/web/web.yml
{{- end }}
{{- if .Values.web.kubernetesAuth }}
--web.kubernetes-auth
{{- if include "nodevitals.selfSigned" . }}
--web.kubernetes-auth.self-signed
{{- end }}
{{- end }}
--config.file=/etc/nodevitals/config/nodevitals.yml
{{- if .Values.storage.enabled }}
--storage.tsdb.path=/var/lib/nodevitals
--storage.tsdb.interval={{ .Values.storage.interval }}
--storage.tsdb.retention.time={{ .Values.storage.retention.time }}
--storage.tsdb.retention.size={{ .Values.storage.retention.size }}
{{- else }}
--no-storage.tsdb
{{- end }}
{{- if and .Values.exclude.mountPoints .Values.hostRootFsMount.enabled }}
--collector.filesystem.mount-points-exclude={{ .Values.exclude.mountPoints }}
{{- end }}
{{- with .Values.exclude.devices }}
--collector.netclass.ignored-devices={{ . }}
--collector.netdev.device-exclude={{ . }}
{{- end }}
{{- range $needs.flags }}
{{ . }}
{{- end }}
{{- if $needs.journalOn }}
--collector.journal.directory={{ .Values.journal.directory }}
{{- end }}
{{- if $needs.kmsg }}
--path.kmsg=/dev/kmsg
{{- end }}
{{- if $needs.kubelet }}
{{- with .Values.kubelet.url }}
--kubelet.url={{ tpl . $ }}
{{- end }}
{{- with .Values.kubelet.caFile }}
{{- if and (hasPrefix "/host/root" .) (not $.Values.hostRootFsMount.enabled) }}
{{- fail "kubelet.caFile lies in a folder of the host: hostRootFsMount.enabled" }}
{{- end }}
--kubelet.ca-file={{ tpl . $ }}
{{- end }}
{{- if and .Values.kubelet.insecureSkipVerify (not .Values.kubelet.caFile) }}
--kubelet.insecure-skip-verify
{{- end }}
{{- with .Values.kubelet.endpoints }}
--kubelet.endpoints={{ join "," . }}
{{- end }}
{{- if .Values.kubelet.portNames }}
--kube.port-names
{{- end }}
{{- else }}
--kubelet.endpoints=none
{{- end }}
{{- end }}

{{- /* A probe, given a list of context, values and path. One that would need a client's certificate only knocks. */}}
{{- define "nodevitals.probe" -}}
{{- $ := index . 0 }}
{{- $values := index . 1 }}
{{- if or (hasKey $values "httpGet") (hasKey $values "tcpSocket") (hasKey $values "exec") }}
{{- toYaml $values }}
{{- else if and $.Values.tls.enabled $.Values.tls.clientCA }}
{{- toYaml (merge (dict "tcpSocket" (dict "port" $.Values.service.portName)) $values) }}
{{- else }}
{{- $get := dict "path" (index . 2) "port" $.Values.service.portName "scheme" (include "nodevitals.scheme" $ | upper) }}
{{- toYaml (merge (dict "httpGet" $get) $values) }}
{{- end }}
{{- end }}

{{- /* Our own node affinity within the user's: each of their terms must hold together with ours. */}}
{{- define "nodevitals.affinity" -}}
{{- $fargate := dict "key" "eks.amazonaws.com/compute-type" "operator" "NotIn" "values" (list "fargate") }}
{{- $virtual := dict "key" "type" "operator" "NotIn" "values" (list "virtual-kubelet") }}
{{- $affinity := deepCopy (default dict .Values.affinity) }}
{{- $node := default dict $affinity.nodeAffinity }}
{{- $required := default dict $node.requiredDuringSchedulingIgnoredDuringExecution }}
{{- $terms := list }}
{{- range default (list dict) $required.nodeSelectorTerms }}
{{- $expressions := concat (default list .matchExpressions) (list $fargate $virtual) }}
{{- $terms = append $terms (mergeOverwrite . (dict "matchExpressions" $expressions)) }}
{{- end }}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) }}
{{- $_ := set $affinity "nodeAffinity" $node }}
{{- toYaml $affinity }}
{{- end }}

{{- define "nodevitals.podSecurity" -}}
{{- $needs := fromJson (include "nodevitals.needs" .) }}
{{- $ours := dict "runAsNonRoot" (not $needs.root) "runAsUser" (int $needs.account) "runAsGroup" (int $needs.account) "fsGroup" 65534 "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- if and $needs.journalOn (not (kindIs "invalid" .Values.journal.group)) }}
{{- $_ := set $ours "supplementalGroups" (list (int64 .Values.journal.group)) }}
{{- end }}
{{- toYaml (mergeOverwrite $ours (deepCopy (default dict .Values.securityContext))) }}
{{- end }}

{{- define "nodevitals.containerSecurity" -}}
{{- $needs := fromJson (include "nodevitals.needs" .) }}
{{- $ours := dict "readOnlyRootFilesystem" true }}
{{- if $needs.privileged }}
{{- $_ := set $ours "privileged" true }}
{{- else }}
{{- $capabilities := dict "drop" (list "ALL") }}
{{- with $needs.capabilities }}{{ $_ := set $capabilities "add" . }}{{ end }}
{{- $ours = merge $ours (dict "privileged" false "allowPrivilegeEscalation" false "capabilities" $capabilities) }}
{{- end }}
{{- toYaml (mergeOverwrite $ours (deepCopy (default dict .Values.containerSecurityContext))) }}
{{- end }}

{{- /* user:group that the agent runs as in the end, whoever has the last word about it. */}}
{{- define "nodevitals.owner" -}}
{{- $account := (fromJson (include "nodevitals.needs" .)).account }}
{{- $context := mergeOverwrite (dict "runAsUser" $account "runAsGroup" $account) (deepCopy (default dict .Values.securityContext)) (deepCopy (default dict .Values.containerSecurityContext)) }}
{{- printf "%d:%d" (int64 $context.runAsUser) (int64 $context.runAsGroup) }}
{{- end }}

{{- /*
What is mounted within a read-only mount, such as cgroups in /sys, can be written to by root, unless the kubelet is told; which
it takes for stable since 1.33, and not for mounts that follow those of the host.
*/}}
{{- define "nodevitals.recursive" -}}
{{- with .Capabilities }}{{ if semverCompare ">=1.33.0-0" .KubeVersion.Version }}, recursiveReadOnly: IfPossible{{ end }}{{ end }}
{{- end }}

{{- define "nodevitals.mounts" -}}
{{- $needs := fromJson (include "nodevitals.needs" .) -}}
- {name: config, mountPath: /etc/nodevitals/config, readOnly: true}
{{- if or .Values.rules.enabled .Values.rules.existingConfigMap }}
- {name: rules, mountPath: /etc/nodevitals/rules, readOnly: true}
{{- end }}
{{- if include "nodevitals.webSecret" . }}
- {name: web, mountPath: /etc/nodevitals/web, readOnly: true}
{{- end }}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/nodevitals/tls, readOnly: true}
{{- end }}
{{- if $needs.token }}
- {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}
{{- if .Values.storage.enabled }}
- {name: storage, mountPath: /var/lib/nodevitals}
{{- end }}
{{- $recursive := include "nodevitals.recursive" . }}
- {name: proc, mountPath: /host/proc, readOnly: true{{ $recursive }}}
- {name: sys, mountPath: /host/sys, readOnly: true{{ $recursive }}}
{{- if .Values.hostRootFsMount.enabled }}
{{- $propagation := default "None" .Values.hostRootFsMount.mountPropagation }}
- {name: root, mountPath: /host/root, readOnly: true, mountPropagation: {{ $propagation }}{{ if eq $propagation "None" }}{{ $recursive }}{{ end }}}
{{- end }}
{{- if $needs.privileged }}
- {name: kmsg, mountPath: /dev/kmsg, readOnly: true}
{{- end }}
{{- range .Values.extraHostVolumeMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: {{ ne .readOnly false }}
  {{- with .mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
{{- end }}
{{- range .Values.configmaps }}
- {name: configmap-{{ .name }}, mountPath: {{ .mountPath }}, readOnly: true}
{{- end }}
{{- range .Values.secrets }}
- {name: secret-{{ .name }}, mountPath: {{ .mountPath }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "nodevitals.volumes" -}}
{{- $needs := fromJson (include "nodevitals.needs" .) -}}
- name: config
  configMap: {name: {{ default (include "nodevitals.fullname" .) (tpl (default "" .Values.existingConfigMap) .) }}}
{{- if or .Values.rules.enabled .Values.rules.existingConfigMap }}
- name: rules
  configMap: {name: {{ default (include "nodevitals.suffixed" (list . "rules")) (tpl .Values.rules.existingConfigMap .) }}}
{{- end }}
{{- with include "nodevitals.webSecret" . }}
- name: web
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ required "tls.enabled wants tls.existingSecret" (tpl .Values.tls.existingSecret .) }}, defaultMode: 0440}
{{- end }}
{{- if $needs.token }}
- name: token # as the API server would mount it, but that it expires
  projected:
    defaultMode: 0440
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3600}
    - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
    - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}
{{- if .Values.storage.enabled }}
- name: storage
  {{- if eq .Values.storage.type "hostPath" }}
  hostPath: {path: {{ .Values.storage.hostPath.path }}, type: DirectoryOrCreate}
  {{- else }}
  {{- $limit := include "nodevitals.bytes" .Values.storage.emptyDir.sizeLimit | int64 }}
  {{- if gt (mul 4 (include "nodevitals.bytes" .Values.storage.retention.size | int64)) (mul 3 $limit) }}
  {{- fail (printf "storage.retention.size %s leaves no room below storage.emptyDir.sizeLimit %s, past which pods are evicted: at most three quarters of it" .Values.storage.retention.size .Values.storage.emptyDir.sizeLimit) }}
  {{- end }}
  emptyDir:
    sizeLimit: {{ .Values.storage.emptyDir.sizeLimit }}
    {{- if eq .Values.storage.emptyDir.medium "Memory" }}
    {{- $memory := dig "limits" "memory" "" (default dict .Values.resources) }}
    {{- if and $memory (le (include "nodevitals.bytes" $memory | int64) $limit) }}
    {{- fail (printf "storage.emptyDir.medium Memory counts as the pod's memory: its sizeLimit %s does not fit into resources.limits.memory %s" .Values.storage.emptyDir.sizeLimit $memory) }}
    {{- end }}
    medium: Memory
    {{- end }}
  {{- end }}
{{- end }}
- name: proc
  hostPath: {path: {{ .Values.hostProcFsMount }}, type: Directory}
- name: sys
  hostPath: {path: {{ .Values.hostSysFsMount }}, type: Directory}
{{- if .Values.hostRootFsMount.enabled }}
- name: root
  hostPath: {path: /, type: Directory}
{{- end }}
{{- if $needs.privileged }}
- name: kmsg
  hostPath: {path: /dev/kmsg, type: CharDevice}
{{- end }}
{{- range .Values.extraHostVolumeMounts }}
- name: {{ .name }}
  hostPath: {path: {{ .hostPath }}, type: {{ default "" .type | quote }}}
{{- end }}
{{- range .Values.configmaps }}
- name: configmap-{{ .name }}
  configMap: {name: {{ .name }}}
{{- end }}
{{- range .Values.secrets }}
- name: secret-{{ .name }}
  secret: {secretName: {{ .name }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
