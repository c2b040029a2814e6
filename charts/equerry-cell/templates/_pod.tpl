{{/* What every pod of a cell has: no rights, no writable root, its own region. */}}

{{- define "pod.security" -}}
runAsNonRoot: true
runAsUser: {{ .Values.pods.user }}
runAsGroup: {{ .Values.pods.user }}
fsGroup: {{ .Values.pods.user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Required, never preferred: a pod that finds no node of its region waits. */}}
{{- define "pod.affinity" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - {key: topology.kubernetes.io/region, operator: In, values: [{{ include "cell.region" . | quote }}]}
          {{- with .Values.place.zones }}
          - {key: topology.kubernetes.io/zone, operator: In, values: {{ toJson . }}}
          {{- end }}
{{- end }}

{{- define "pod.common" -}}
automountServiceAccountToken: false
enableServiceLinks: false
affinity:
  {{- include "pod.affinity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.pods.runtimeClass }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.pods.priorityClass }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
What a process may be told depends on what it is, its role: `cell` is gateway and studio in one process; with Ray there
are `keeper` (gateway, log, housekeeping), `studio`, and `head`, which makes nothing and so knows nothing.
*/}}

{{/* The keys of Secrets that a role reads, as JSON by Secret: (list . role). No other key reaches its pods. */}}
{{- define "cell.secrets" -}}
{{- $v := (index . 0).Values -}}
{{- $role := index . 1 -}}
{{- $keys := list -}}
{{- if ne $role "head" }}
{{- with $v.database.passwordSecret }}{{ $keys = append $keys (list .name .key) }}{{ end }}
{{- range $v.objects.secrets }}{{ $keys = append $keys (list .name .key) }}{{ end }}
{{- range $v.objects.sealingSecrets }}{{ $keys = append $keys (list .name .key) }}{{ end }}
{{- $keys = concat $keys (list (list $v.marks.certificateSecret "tls.crt") (list $v.marks.certificateSecret "tls.key")) }}
{{- with $v.marks.watermarkSecret }}{{ $keys = append $keys (list .name .key) }}{{ end }}
{{- end }}
{{- if has $role (list "cell" "keeper") }}
{{- range $v.links.ids }}{{ $keys = append $keys (list $v.links.secret .) }}{{ end }}
{{- end }}
{{- if has $role (list "keeper" "studio") }}
{{- with $v.keeper.tokenSecret }}{{ $keys = append $keys (list .name .key) }}{{ end }}
{{- range ternary (list "tls.crt" "tls.key") (list "ca.crt") (eq $role "keeper") }}{{ $keys = append $keys (list $v.keeper.tlsSecret .) }}{{ end }}
{{- end }}
{{- if and (eq $v.ray.mode "static") (has $role (list "head" "studio")) }}
{{- with $v.ray.tokenSecret }}{{ $keys = append $keys (list .name .key) }}{{ end }}
{{- end }}
{{- $found := dict -}}
{{- range $keys }}
{{- $name := index . 0 }}
{{- if $name }}{{ $_ := set $found $name (append (index $found $name | default list) (index . 1) | uniq) }}{{ end }}
{{- end }}
{{- toJson $found -}}
{{- end }}

{{- define "cell.env" -}}
- {name: HOME, value: /tmp}
- {name: TMPDIR, value: /tmp}
- {name: EQUERRY_SETTINGS_FILE, value: /etc/equerry/cell.toml}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
- {name: DO_NOT_TRACK, value: "1"}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- if .Values.place.attest.enabled }}
- {name: EQUERRY_ATTEST__NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
{{- end }}
{{- end }}

{{/* Where a role's files are: (list . role). */}}
{{- define "cell.mounts" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
- {name: settings, mountPath: /etc/equerry/cell.toml, subPath: {{ $role }}.toml, readOnly: true}
- {name: closed, mountPath: /run/equerry/secrets}
- {name: tmp, mountPath: /tmp}
- {name: scratch, mountPath: /scratch}
{{- if .Values.policies.configMap }}
- {name: policies, mountPath: /etc/equerry/policies, readOnly: true}
{{- end }}
{{- if and .Values.database.external.authority (not .Values.database.internal.enabled) }}
- {name: authority, mountPath: /etc/equerry/database, readOnly: true}
{{- end }}
{{- if .Values.place.attest.enabled }}
- {name: identity, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- if .Values.place.attest.keys }}
- {name: attest, mountPath: /etc/equerry/attest, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The same: (list . role). */}}
{{- define "cell.volumes" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
- {name: settings, configMap: {name: {{ include "cell.name" . }}-settings}}
- {name: closed, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
- {name: tmp, emptyDir: {sizeLimit: 8Gi}}
- {name: scratch, emptyDir: {sizeLimit: 8Gi}}
{{- range $name, $keys := include "cell.secrets" (list . $role) | fromJson }}
- name: {{ printf "from-%s" (sha256sum $name | trunc 10) }}
  secret:
    secretName: {{ $name | quote }}
    defaultMode: 0440
    items:
      {{- range $keys }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end }}
{{- with .Values.policies.configMap }}
- {name: policies, configMap: {name: {{ . | quote }}}}
{{- end }}
{{- if and .Values.database.external.authority (not .Values.database.internal.enabled) }}
- {name: authority, configMap: {name: {{ .Values.database.external.authority | quote }}}}
{{- end }}
{{- if .Values.place.attest.enabled }}
- name: identity
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
{{- with .Values.place.attest.keys }}
- {name: attest, configMap: {name: {{ . | quote }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Copies a role's secrets to where their modes are ours, and makes the tenants' books when there are none: (list . role). */}}
{{- define "cell.prepare" -}}
{{- $role := index . 1 -}}
{{- with index . 0 -}}
- name: prepare
  image: {{ include "cell.image" .Values.image | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [python, -m, serving.pod, /etc/equerry/cell.toml, --secrets, /from, /run/equerry/secrets]
  env:
    {{- include "cell.env" . | nindent 4 }}
  securityContext:
    {{- include "container.security" . | nindent 4 }}
  resources:
    requests: {cpu: 100m, memory: 256Mi}
    limits: {memory: 1Gi}
  volumeMounts:
    {{- include "cell.mounts" (list . $role) | nindent 4 }}
    - {name: state, mountPath: /var/lib/equerry}
    {{- range $name, $_ := include "cell.secrets" (list . $role) | fromJson }}
    - {name: {{ printf "from-%s" (sha256sum $name | trunc 10) }}, mountPath: {{ printf "/from/%s" $name | quote }}, readOnly: true}
    {{- end }}
{{- end }}
{{- end }}

{{- define "cell.ports" -}}
- {name: http, containerPort: 8000}
- {name: operations, containerPort: 8001}
{{- end }}

{{- define "cell.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
# Asked where operators ask, so that a flood of clients takes nobody's readiness away.
readinessProbe:
  httpGet: {path: /readyz, port: operations}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Requests and limits with devices: (list resources accelerator count). */}}
{{- define "cell.resources" -}}
{{- $r := deepCopy (index . 0) -}}
{{- with index . 1 }}
{{- $_ := set $r "limits" (merge (dict . (index $ 2)) ($r.limits | default dict)) }}
{{- end }}
{{- toYaml $r }}
{{- end }}

{{/* The volume of the log. Kubernetes keeps it when the release goes. */}}
{{- define "cell.claim" -}}
- metadata:
    name: state
    labels:
      {{- include "cell.selector" (list . (include "cell.keeper" .)) | nindent 6 }}
  spec:
    accessModes: [{{ .Values.state.accessMode }}]
    {{- with .Values.state.storageClass }}
    storageClassName: {{ . | quote }}
    {{- end }}
    resources:
      requests:
        storage: {{ .Values.state.size }}
{{- end }}
