{{- /* Names, labels and images. */}}
{{- define "nodevitals.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "nodevitals.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "nodevitals.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "nodevitals.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* A name with something behind it, still within 63. Of a list: context, suffix. */}}
{{- define "nodevitals.suffixed" -}}
{{- $suffix := index . 1 }}
{{- printf "%s-%s" (include "nodevitals.fullname" (index . 0) | trunc (int (sub 62 (len $suffix))) | trimSuffix "-") $suffix }}
{{- end }}

{{- define "nodevitals.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "nodevitals.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "nodevitals.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* These cannot change while the DaemonSet lives, so these two and no more. */}}
{{- define "nodevitals.selector" -}}
app.kubernetes.io/name: {{ include "nodevitals.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Maps of texts as one, evaluated by tpl: of a list of the context and the maps. The last that has a key wins. */}}
{{- define "nodevitals.merged" -}}
{{- $ := index . 0 }}
{{- $all := dict }}
{{- range rest . }}
{{- range $key, $value := . }}{{ $_ := set $all (tpl $key $) (tpl (toString $value) $) }}{{ end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{- /* Labels of an object: of a list of the context and maps of further ones. Nothing changes the two that choose. */}}
{{- define "nodevitals.labels" -}}
{{- $ := index . 0 }}
{{- $chart := printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- $ours := dict "app.kubernetes.io/version" $.Chart.AppVersion "app.kubernetes.io/component" "agent" "app.kubernetes.io/part-of" "nodevitals" "app.kubernetes.io/managed-by" (default "Helm" $.Release.Service) "helm.sh/chart" $chart }}
{{- $choose := dict "app.kubernetes.io/name" (include "nodevitals.name" $) "app.kubernetes.io/instance" $.Release.Name }}
{{- include "nodevitals.merged" (concat (list $ $ours $.Values.commonLabels) (rest .) (list $choose)) }}
{{- end }}

{{- define "nodevitals.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry }}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{- /* The field of a pod with the secrets that registries want, texts or objects; nothing where there are none. */}}
{{- define "nodevitals.pullSecrets" -}}
{{- $secrets := list }}
{{- range concat (default list .Values.global.imagePullSecrets) (default list .Values.imagePullSecrets) }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with $secrets }}
{{- toYaml (dict "imagePullSecrets" .) }}
{{- end }}
{{- end }}

{{- /* A quantity or size as bytes: 512MB, 1Gi, 10000. */}}
{{- define "nodevitals.bytes" -}}
{{- $text := toString . }}
{{- $unit := regexReplaceAll "^[0-9.]+" $text "" }}
{{- $scale := dict "" 1 "B" 1 "KB" 1024 "MB" 1048576 "GB" 1073741824 "TB" 1099511627776 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 }}
{{- if not (hasKey $scale $unit) }}{{ fail (printf "%s: not a size" $text) }}{{ end }}
{{- mulf (float64 (regexFind "^[0-9.]+" $text)) (float64 (get $scale $unit)) | int64 }}
{{- end }}
