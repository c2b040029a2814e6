{{/* The cell's settings file. Values are written as JSON, which TOML reads alike but for tables. */}}

{{- define "toml.value" -}}
{{- if kindIs "map" . -}}
{ {{- range $n, $key := keys . | sortAlpha }}{{ if $n }},{{ end }} {{ $key | toJson }} = {{ include "toml.value" (index $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{- range $n, $each := . }}{{ if $n }}, {{ end }}{{ include "toml.value" $each }}{{ end }}]
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end }}

{{- define "toml.file" -}}
{{- range $section, $fields := . }}
[{{ $section }}]
{{- range $field, $value := $fields }}
{{- if not (kindIs "invalid" $value) }}
{{ $field }} = {{ include "toml.value" $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}

{{/* What the chart decides for a role, by section and field, as YAML: (list . role). It names no secret that its pods lack. */}}
{{- define "cell.settings" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
{{- $v := .Values -}}
cell: {{ toJson (dict "name" $v.cell.name "jurisdiction" $v.cell.jurisdiction "provider" $v.cell.provider "region" $v.cell.region "origin" $v.cell.origin) }}
listen: {host: "0.0.0.0", port: 8000, operations_host: "0.0.0.0", operations_port: 8001}
folders: {state: /var/lib/equerry/state, scratch: /scratch}
engine: {{ toJson (dict "kind" $v.engine.kind "model" $v.engine.model "tensor_parallel" $v.engine.tensorParallel "kv_memory" $v.engine.kvMemory "batch" $v.engine.batch "replicas" $v.engine.replicas "most_replicas" $v.engine.mostReplicas "compile" $v.engine.compile "gpus" (not (empty $v.studio.accelerator))) }}
log: {folder: /var/lib/equerry/log}
telemetry: {{ include "cell.settings.telemetry" . }}
policies: {{ include "cell.settings.policies" . }}
{{- if include "cell.databaseHost" . }}
database: {{ include "cell.settings.database" (list . $role) }}
{{- end }}
objects: {{ include "cell.settings.objects" (list . $role) }}
{{- if and (ne $role "head") (or $v.marks.certificateSecret $v.marks.watermarkSecret.name) }}
marks: {{ include "cell.settings.marks" . }}
{{- end }}
{{- if has $role (list "keeper" "studio") }}
keeper: {{ include (printf "cell.settings.%s" $role) . }}
{{- end }}
{{- if and $v.links.secret (has $role (list "cell" "keeper")) }}
media: {link_keys: {{ include "cell.settings.links" . }}}
{{- end }}
{{- if $v.place.attest.enabled }}
attest: {{ include "cell.settings.attest" . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cell.settings.telemetry" -}}
{{- $t := dict "level" .Values.telemetry.level "metrics" .Values.telemetry.metrics -}}
{{- if .Values.collector.enabled }}{{ $_ := set $t "otlp" (printf "http://%s-collector:4318" (include "cell.name" .)) }}{{ end -}}
{{- toJson $t -}}
{{- end }}

{{- define "cell.settings.policies" -}}
{{- $p := dict "tenants" "/var/lib/equerry/tenants" -}}
{{- $at := "/etc/equerry/policies" -}}
{{- range $each := list "catalogue" "lists" "trust" }}
{{- with index $.Values.policies $each }}{{ $_ := set $p $each (printf "%s/%s" $at .) }}{{ end }}
{{- end }}
{{- $overlays := list -}}
{{- range .Values.policies.overlays }}{{ $overlays = append $overlays (printf "%s/%s" $at .) }}{{ end }}
{{- if $overlays }}{{ $_ := set $p "overlays" $overlays }}{{ end }}
{{- toJson $p -}}
{{- end }}

{{- define "cell.settings.database" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
{{- $v := .Values.database -}}
{{- $query := ternary "sslmode=disable" (printf "sslmode=%s" $v.external.sslMode) $v.internal.enabled -}}
{{- if and $v.external.authority (not $v.internal.enabled) }}{{ $query = printf "%s&sslrootcert=/etc/equerry/database/ca.crt" $query }}{{ end -}}
{{- $url := printf "postgresql://%s@%s:%d/%s?%s" $v.external.user (include "cell.databaseHost" .) (int $v.external.port) $v.external.name $query -}}
{{- $d := dict "url" $url -}}
{{- with $v.passwordSecret }}{{ if and .name (ne $role "head") }}{{ $_ := set $d "password" (printf "/run/equerry/secrets/%s/%s" .name .key) }}{{ end }}{{ end -}}
{{- toJson $d -}}
{{- end }}
{{- end }}

{{- define "cell.settings.objects" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
{{- $o := dict "url" .Values.objects.url -}}
{{- if .Values.objects.options }}{{ $_ := set $o "options" .Values.objects.options }}{{ end -}}
{{- $hidden := dict -}}
{{- range $option, $from := .Values.objects.secrets }}{{ $_ := set $hidden $option (printf "/run/equerry/secrets/%s/%s" $from.name $from.key) }}{{ end -}}
{{- if and $hidden (ne $role "head") }}{{ $_ := set $o "secrets" $hidden }}{{ end -}}
{{- $_ := set $o "sealed" (and .Values.objects.sealed (ne $role "head")) -}}
{{- $sealing := list -}}
{{- range .Values.objects.sealingSecrets }}{{ $sealing = append $sealing (printf "/run/equerry/secrets/%s/%s" .name .key) }}{{ end -}}
{{- if and $sealing (ne $role "head") }}{{ $_ := set $o "sealing_keys" $sealing }}{{ end -}}
{{- toJson $o -}}
{{- end }}
{{- end }}

{{- define "cell.settings.marks" -}}
{{- $m := dict -}}
{{- with .Values.marks.certificateSecret }}
{{- $_ := set $m "certificate" (printf "/run/equerry/secrets/%s/tls.crt" .) }}
{{- $_ := set $m "key" (printf "/run/equerry/secrets/%s/tls.key" .) }}
{{- end }}
{{- with .Values.marks.watermarkSecret }}{{ if .name }}{{ $_ := set $m "watermark" (printf "/run/equerry/secrets/%s/%s" .name .key) }}{{ end }}{{ end -}}
{{- toJson $m -}}
{{- end }}

{{- define "cell.settings.links" -}}
{{- $paths := list -}}
{{- range .Values.links.ids }}{{ $paths = append $paths (printf "/run/equerry/secrets/%s/%s" $.Values.links.secret .) }}{{ end -}}
{{- toJson $paths -}}
{{- end }}

{{/* The keeper answers under its certificate; a studio asks, and knows only who vouches for that. Both know the token. */}}
{{- define "cell.settings.keeper" -}}
{{- $tls := printf "/run/equerry/secrets/%s" .Values.keeper.tlsSecret -}}
{{- toJson (dict "host" "0.0.0.0" "port" 8002 "certificate" (printf "%s/tls.crt" $tls) "key" (printf "%s/tls.key" $tls) "token" (include "keeper.token" .)) -}}
{{- end }}

{{- define "cell.settings.studio" -}}
{{- $tls := printf "/run/equerry/secrets/%s" .Values.keeper.tlsSecret -}}
{{- toJson (dict "address" (printf "https://%s-keeper:8002" (include "cell.name" .)) "authority" (printf "%s/ca.crt" $tls) "token" (include "keeper.token" .)) -}}
{{- end }}

{{- define "keeper.token" -}}
{{- printf "/run/equerry/secrets/%s/%s" .Values.keeper.tokenSecret.name .Values.keeper.tokenSecret.key -}}
{{- end }}

{{- define "cell.settings.attest" -}}
{{- $a := dict "source" "kubernetes" "region" (include "cell.region" .) "document" .Values.place.attest.document -}}
{{- if .Values.place.attest.keys }}{{ $_ := set $a "keys" "/etc/equerry/attest/keys.pem" }}{{ end -}}
{{- toJson $a -}}
{{- end }}

{{/* All settings of a role as a TOML file, ours and the user's beside them: (list . role). */}}
{{- define "cell.toml" -}}
{{- $ours := include "cell.settings" . | fromYaml -}}
{{- if hasKey $ours "Error" }}{{ fail (printf "The settings cannot be put together: %s" $ours.Error) }}{{ end -}}
{{- $theirs := (index . 0).Values.settings -}}
{{- range $section, $fields := $theirs }}
{{- range $field, $value := $fields }}
{{- if hasKey (index $ours $section | default dict) $field }}
{{- fail (printf "settings.%s.%s is decided by other values of the chart; see docs/charts/values.md and take it out of settings." $section $field) }}
{{- end }}
{{- end }}
{{- end -}}
{{- $text := include "toml.file" (merge $ours (deepCopy $theirs)) -}}
{{- if regexMatch "[\\x{7f}-\\x{9f}\\x{2028}\\x{2029}\\x{feff}\\x{fffe}\\x{ffff}]" $text }}
{{- fail "A value holds a control character, which no setting may: look in settings and objects.options." }}
{{- end -}}
{{- $text -}}
{{- end }}
