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

{{/* Names of all Secrets that the cell reads, once each. */}}
{{- define "cell.secrets" -}}
{{- $v := .Values -}}
{{- $found := list $v.database.passwordSecret.name $v.marks.certificateSecret $v.marks.watermarkSecret.name $v.links.secret -}}
{{- if ne $v.ray.mode "none" }}{{ $found = concat $found (list $v.keeper.tlsSecret $v.keeper.tokenSecret.name) }}{{ end -}}
{{- if eq $v.ray.mode "static" }}{{ $found = append $found $v.ray.tokenSecret.name }}{{ end -}}
{{- range $v.objects.secrets }}{{ $found = append $found .name }}{{ end -}}
{{- without ($found | uniq | sortAlpha) "" | toJson -}}
{{- end }}

{{- define "cell.env" -}}
- {name: HOME, value: /tmp}
- {name: TMPDIR, value: /tmp}
- {name: EQUERRY_SETTINGS, value: /etc/equerry/cell.toml}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
- {name: DO_NOT_TRACK, value: "1"}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- if .Values.place.attest.enabled }}
- {name: EQUERRY_ATTEST__NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
{{- end }}
{{- end }}

{{- define "cell.mounts" -}}
- {name: settings, mountPath: /etc/equerry/cell.toml, subPath: cell.toml, readOnly: true}
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

{{- define "cell.volumes" -}}
- {name: settings, configMap: {name: {{ include "cell.name" . }}-settings}}
- {name: closed, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
- {name: tmp, emptyDir: {sizeLimit: 8Gi}}
- {name: scratch, emptyDir: {sizeLimit: 8Gi}}
{{- range include "cell.secrets" . | fromJsonArray }}
- {name: {{ printf "from-%s" (sha256sum . | trunc 10) }}, secret: {secretName: {{ . | quote }}, defaultMode: 0440}}
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

{{/* Copies secrets to where their modes are ours, and makes the tenants' books when there are none. */}}
{{- define "cell.prepare" -}}
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
    {{- include "cell.mounts" . | nindent 4 }}
    - {name: state, mountPath: /var/lib/equerry}
    {{- range include "cell.secrets" . | fromJsonArray }}
    - {name: {{ printf "from-%s" (sha256sum . | trunc 10) }}, mountPath: {{ printf "/from/%s" . | quote }}, readOnly: true}
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
readinessProbe:
  httpGet: {path: /readyz, port: http}
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
