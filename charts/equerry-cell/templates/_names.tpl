{{/* Names, labels and images. KubeRay appends up to 25 characters to a name, so ours stay short. */}}

{{- define "cell.name" -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- end }}

{{- define "cell.labels" -}}
app.kubernetes.io/name: equerry-cell
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
equerry.dev/cell: {{ .Values.cell.name | quote }}
{{- end }}

{{/* Takes (list . "component"). What a selector says never changes, so versions have no place in it. */}}
{{- define "cell.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: equerry-cell
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 | quote }}
{{- end }}

{{/* Labels of a component's pods: (list . "component"). The user's come first, so that they cannot hide ours. */}}
{{- define "cell.podLabels" -}}
{{- $root := index . 0 -}}
{{- toYaml (merge (include "cell.selector" . | fromYaml) (include "cell.labels" $root | fromYaml) $root.Values.pods.labels) -}}
{{- end }}

{{/* Takes an image's values. By digest; by tag only where a tag is named, which cell.refuse has looked at. */}}
{{- define "cell.image" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end }}

{{- define "cell.region" -}}
{{- .Values.place.region | default .Values.cell.region -}}
{{- end }}

{{/* Whether the database is inside this release. */}}
{{- define "cell.databaseHost" -}}
{{- if .Values.database.internal.enabled -}}{{ include "cell.name" . }}-database{{- else -}}{{ .Values.database.external.host }}{{- end -}}
{{- end }}

{{/* The pod that writes the log. */}}
{{- define "cell.keeper" -}}
{{- if eq .Values.ray.mode "none" -}}cell{{- else -}}keeper{{- end -}}
{{- end }}
