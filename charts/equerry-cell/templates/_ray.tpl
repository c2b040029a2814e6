{{/* Studios on Ray: a head that makes nothing, and one group of workers, each as large as one engine. */}}

{{- define "ray.devices" -}}
{{- if .Values.studio.accelerator }}{{ .Values.engine.tensorParallel }}{{ else }}0{{ end -}}
{{- end }}

{{/* What Ray Serve is told; KubeRay takes it as text, and `serving.keeper.deploy` sends it in a static cluster. */}}
{{- define "ray.serve" -}}
# KubeRay asks the proxies how they are, so they are there; nobody sends them a request, and no policy lets anybody.
proxy_location: EveryNode
http_options: {host: 0.0.0.0, port: 8000}
logging_config: {encoding: JSON, enable_access_log: false}
applications:
  - name: studios
    # Studios pull jobs from the store.
    route_prefix: null
    import_path: serving.ray_studios:application
    args: {settings: /etc/equerry/cell.toml}
{{- end }}

{{/* Settings of one Ray pod: (list . "head"|"studio"). */}}
{{- define "ray.env" -}}
{{- $root := index . 0 -}}
{{- include "cell.env" $root }}
- {name: RAY_GRAFANA_HOST, value: ""}
- {name: RAY_PROMETHEUS_HOST, value: ""}
- {name: RAY_DEDUP_LOGS, value: "0"}
{{- if eq $root.Values.ray.mode "static" }}
- {name: RAY_AUTH_MODE, value: token}
- {name: RAY_AUTH_TOKEN_PATH, value: {{ printf "/run/equerry/secrets/%s/%s" $root.Values.ray.tokenSecret.name $root.Values.ray.tokenSecret.key | quote }}}
{{- end }}
{{- end }}

{{/* Pod of the head or of a studio: (list . component command resources). Command is empty where KubeRay gives it. */}}
{{- define "ray.pod" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $command := index . 2 -}}
metadata:
  labels:
    {{- include "cell.podLabels" (list $root $component) | nindent 4 }}
  annotations:
    equerry.dev/settings: {{ include "cell.toml" (list $root $component) | sha256sum | quote }}
    {{- with $root.Values.pods.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- $common := include "pod.common" $root | fromYaml }}
  {{- if and (eq $component "head") (include "ray.scales" $root) (eq $root.Values.ray.mode "rayservice") }}
  {{- $_ := set $common "automountServiceAccountToken" true }}
  {{- end }}
  {{- toYaml $common | nindent 2 }}
  serviceAccountName: {{ include "cell.name" $root }}{{ if eq $component "head" }}-head{{ end }}
  terminationGracePeriodSeconds: {{ $root.Values.gateway.graceSeconds }}
  securityContext:
    {{- include "pod.security" $root | nindent 4 }}
  {{- if eq $component "studio" }}
  {{- with $root.Values.studio.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.studio.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  initContainers:
    {{- include "cell.prepare" (list $root $component) | nindent 4 }}
  containers:
    - name: ray-{{ $component }}
      image: {{ include "cell.image" $root.Values.image | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- with $command }}
      command: {{ toJson . }}
      {{- end }}
      env:
        {{- include "ray.env" (list $root) | nindent 8 }}
      ports:
        - {name: serve, containerPort: 8000}
        {{- if eq $component "head" }}
        - {name: gcs, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        - {name: client, containerPort: 10001}
        {{- else }}
        - {name: operations, containerPort: 8001}
        {{- end }}
      securityContext:
        {{- include "container.security" $root | nindent 8 }}
      resources:
        {{- if eq $component "head" }}
        {{- toYaml $root.Values.ray.head.resources | nindent 8 }}
        {{- else }}
        {{- include "cell.resources" (list $root.Values.studio.resources $root.Values.studio.accelerator $root.Values.engine.tensorParallel) | nindent 8 }}
        {{- end }}
      volumeMounts:
        {{- include "cell.mounts" (list $root $component) | nindent 8 }}
        - {name: state, mountPath: /var/lib/equerry}
        - {name: shared, mountPath: /dev/shm}
    {{- if and (eq $component "head") (eq $root.Values.ray.mode "static") }}
    {{- include "ray.deployer" $root | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "cell.volumes" (list $root $component) | nindent 4 }}
    # A studio keeps nothing: jobs are in the database, films in the object store, the log with the keeper.
    - {name: state, emptyDir: {sizeLimit: 256Mi}}
    - {name: shared, emptyDir: {medium: Memory, sizeLimit: {{ $root.Values.ray.sharedMemory }}}}
    {{- if and (eq $component "head") (eq $root.Values.ray.mode "static") }}
    - {name: serve, configMap: {name: {{ include "cell.name" $root }}-serve}}
    {{- end }}
{{- end }}

{{/* Sends the application again and again, which changes nothing unless the head has lost it. */}}
{{- define "ray.deployer" -}}
- name: deploy
  image: {{ include "cell.image" .Values.image | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [python, -m, serving.keeper.deploy, /etc/equerry/serve/serve.json, "http://127.0.0.1:8265"]
  env:
    {{- include "ray.env" (list .) | nindent 4 }}
  securityContext:
    {{- include "container.security" . | nindent 4 }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 256Mi}
  volumeMounts:
    - {name: serve, mountPath: /etc/equerry/serve, readOnly: true}
    - {name: closed, mountPath: /run/equerry/secrets}
    - {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Not empty when the number of studios moves. */}}
{{- define "ray.scales" -}}
{{- if or (gt (int .Values.engine.mostReplicas) (int .Values.engine.replicas)) (eq .Values.ray.upgrade "incremental") }}yes{{ end -}}
{{- end }}
