{{- /*
The endpoints of a monitor, given a list of context, monitor and port field. The node's families under the job that rules
expect; those that elsewhere come from the kubelet and kube-state-metrics are left out of it, and have endpoints of their
own, under those jobs, on request. Labels of pods and containers that a series brings along are its own, not the agent's pod's.
*/}}
{{- define "nodevitals.endpoints" -}}
{{- $ := index . 0 }}
{{- $monitor := index . 1 }}
{{- $prometheus := $.Values.prometheus }}
{{- $kubelet := list (dict "targetLabel" "job" "replacement" "kubelet") (dict "targetLabel" "metrics_path" "replacement" "/metrics/cadvisor") }}
{{- $needs := fromJson (include "nodevitals.needs" $) }}
{{- $endpoints := list (dict "path" "/metrics" "params" (dict "exclude[]" (list "container" "kube-pods")) "relabelings" (list (dict "targetLabel" "job" "replacement" $prometheus.job))) }}
{{- if and $prometheus.containers $needs.containersOn }}
{{- $endpoints = append $endpoints (dict "path" "/metrics/cadvisor" "relabelings" $kubelet) }}
{{- end }}
{{- if and $prometheus.kubePods $needs.kubePodsOn }}
{{- $endpoints = append $endpoints (dict "path" "/metrics" "params" (dict "collect[]" (list "kube-pods")) "relabelings" (list (dict "targetLabel" "job" "replacement" "kube-state-metrics"))) }}
{{- end }}
{{- range $endpoint := $endpoints }}
{{- $_ := set $endpoint "honorLabels" true }}
{{- $_ := set $endpoint "port" $.Values.service.portName }}
{{- $_ := set $endpoint "scheme" (include "nodevitals.scheme" $) }}
{{- $relabelings := $endpoint.relabelings }}
{{- if eq $prometheus.instance "node" }}
{{- $relabelings = append $relabelings (dict "sourceLabels" (list "__meta_kubernetes_pod_node_name") "targetLabel" "instance") }}
{{- end }}
{{- $_ := set $endpoint "relabelings" (concat $relabelings (default list $monitor.relabelings)) }}
{{- range $field := list "interval" "scrapeTimeout" "tlsConfig" "bearerTokenFile" "authorization" "metricRelabelings" }}
{{- with get $monitor $field }}{{ $_ := set $endpoint $field . }}{{ end }}
{{- end }}
{{- range $field, $value := $monitor.endpoint }}{{ $_ := set $endpoint $field $value }}{{ end }}
{{- if include "nodevitals.selfSigned" $ }}
{{- $_ := set $endpoint "tlsConfig" (merge (default dict $endpoint.tlsConfig) (dict "insecureSkipVerify" true)) }}
{{- end }}
{{- $shown := or $endpoint.bearerTokenFile $endpoint.authorization $endpoint.basicAuth $endpoint.oauth2 }}
{{- if and $.Values.web.kubernetesAuth (hasKey $monitor "bearerTokenFile") (not $shown) }}
{{- $_ := set $endpoint "bearerTokenFile" "/var/run/secrets/kubernetes.io/serviceaccount/token" }}
{{- end }}
{{- end }}
{{- toYaml $endpoints }}
{{- end }}
