{{- /* What the agent reads: its configuration, rules, and how it serves. A change of any rolls the pods. */}}
{{- define "nodevitals.config" -}}
{{- tpl (toYaml (default dict .Values.config)) . }}
{{- end }}

{{- /* Rule files of the chart, as the data of a ConfigMap. */}}
{{- define "nodevitals.rules" -}}
{{- with .Files }}
{{- range $name, $_ := .Glob "rules/*.yml" }}
{{ base $name }}: |
  {{- $.Files.Get $name | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The Secret that holds web.yml; empty where there is none. */}}
{{- define "nodevitals.webSecret" -}}
{{- if .Values.web.existingConfigSecret }}
{{- tpl .Values.web.existingConfigSecret . }}
{{- else if or .Values.tls.enabled .Values.web.config }}
{{- include "nodevitals.suffixed" (list . "web") }}
{{- end }}
{{- end }}

{{- /* Where nothing else gives a certificate, those who show tokens get one of the agent's own making. */}}
{{- define "nodevitals.selfSigned" -}}
{{- if and .Values.web.kubernetesAuth .Values.web.selfSigned (not .Values.tls.enabled) (not (default dict .Values.web.config).tls_server_config) (not .Values.web.existingConfigSecret) }}yes{{ end }}
{{- end }}

{{- define "nodevitals.scheme" -}}
{{- $https := or .Values.tls.enabled (include "nodevitals.selfSigned" .) (default dict .Values.web.config).tls_server_config }}
{{- if not (kindIs "invalid" .Values.web.https) }}{{ $https = .Values.web.https }}{{ end }}
{{- ternary "https" "http" (not (empty $https)) }}
{{- end }}

{{- define "nodevitals.webConfig" -}}
{{- $ours := dict }}
{{- if .Values.tls.enabled }}
{{- $tls := dict "cert_file" "/etc/nodevitals/tls/tls.crt" "key_file" "/etc/nodevitals/tls/tls.key" }}
{{- with .Values.tls.clientCA }}
{{- $_ := set $tls "client_ca_file" (printf "/etc/nodevitals/tls/%s" .) }}
{{- $_ := set $tls "client_auth_type" "RequireAndVerifyClientCert" }}
{{- end }}
{{- $_ := set $ours "tls_server_config" $tls }}
{{- end }}
{{- tpl (toYaml (mergeOverwrite $ours (deepCopy (default dict .Values.web.config)))) . }}
{{- end }}
