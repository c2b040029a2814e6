{{/* What a schema cannot say: values that contradict each other. Each is refused with what to change. */}}

{{- define "cell.refuse" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if ne (upper (trunc 2 $v.cell.name)) $v.cell.jurisdiction }}
{{- $wrong = append $wrong (printf "cell.name %s is of %s, and cell.jurisdiction says %s: make them agree." $v.cell.name (upper (trunc 2 $v.cell.name)) $v.cell.jurisdiction) }}
{{- end }}
{{- $wrong = concat $wrong (include "refuse.images" . | fromJsonArray) (include "refuse.engine" . | fromJsonArray) (include "refuse.stores" . | fromJsonArray) (include "refuse.network" . | fromJsonArray) (include "refuse.ray" . | fromJsonArray) (include "refuse.others" . | fromJsonArray) -}}
{{- if $wrong }}
{{- fail (printf "\n  %s" (join "\n  " $wrong)) }}
{{- end }}
{{- end }}

{{- define "refuse.images" -}}
{{- $wrong := list -}}
{{- $images := dict "image" .Values.image -}}
{{- if .Values.collector.enabled }}{{ $_ := set $images "collector.image" .Values.collector.image }}{{ end -}}
{{- if .Values.database.internal.enabled }}{{ $_ := set $images "database.internal.image" .Values.database.internal.image }}{{ end -}}
{{- range $name, $image := $images }}
{{- if and $image.digest $image.tag }}
{{- $wrong = append $wrong (printf "%s has a digest and a tag: keep the digest." $name) }}
{{- else if not (or $image.digest $image.tag) }}
{{- $wrong = append $wrong (printf "%s.digest is missing: name the image by sha256:… as your registry shows it." $name) }}
{{- end }}
{{- end }}
{{- toJson $wrong -}}
{{- end }}

{{- define "refuse.engine" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if and (eq $v.engine.kind "torch") (ne (int $v.engine.tensorParallel) 1) }}
{{- $wrong = append $wrong "engine.tensorParallel is 1 with engine.kind torch: use kind vllm for more." }}
{{- end }}
{{- if gt (int $v.engine.replicas) (int $v.engine.mostReplicas) }}
{{- $wrong = append $wrong "engine.replicas is more than engine.mostReplicas: raise the second." }}
{{- end }}
{{- if and (eq $v.ray.mode "none") (or (ne (int $v.engine.replicas) 1) (ne (int $v.engine.mostReplicas) 1)) }}
{{- $wrong = append $wrong "engine.replicas and engine.mostReplicas are 1 with ray.mode none, since one process does all: use rayservice or static for more." }}
{{- end }}
{{- if and (gt (int $v.engine.tensorParallel) 1) (not $v.studio.accelerator) (eq $v.engine.model "horse") }}
{{- $wrong = append $wrong "engine.model horse with tensorParallel needs devices: name studio.accelerator, such as nvidia.com/gpu." }}
{{- end }}
{{- toJson $wrong -}}
{{- end }}

{{- define "refuse.stores" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if and $v.database.external.host $v.database.internal.enabled }}
{{- $wrong = append $wrong "database.external.host and database.internal.enabled exclude each other: keep one." }}
{{- end }}
{{- if and $v.database.internal.enabled (not $v.database.passwordSecret.name) }}
{{- $wrong = append $wrong "database.internal needs database.passwordSecret.name: make a Secret and name it." }}
{{- end }}
{{- if and (ne $v.ray.mode "none") (not (include "cell.databaseHost" .)) }}
{{- $wrong = append $wrong (printf "ray.mode %s needs a database that all pods reach: set database.external.host." $v.ray.mode) }}
{{- end }}
{{- if and (ne $v.ray.mode "none") (eq $v.objects.url "folder") }}
{{- $wrong = append $wrong (printf "ray.mode %s needs an object store that all pods reach: set objects.url." $v.ray.mode) }}
{{- end }}
{{- if and $v.objects.sealed (not $v.objects.sealingSecrets) (or (ne $v.objects.url "folder") (include "cell.databaseHost" .)) }}
{{- $wrong = append $wrong "objects.sealed needs objects.sealingSecrets: other pods, or the next volume, would draw another key, and could read nothing." }}
{{- end }}
{{- if and (or $v.policies.catalogue $v.policies.lists $v.policies.trust $v.policies.overlays) (not $v.policies.configMap) }}
{{- $wrong = append $wrong "policies names documents, and policies.configMap does not say where they are." }}
{{- end }}
{{- if and $v.policies.catalogue (not $v.policies.trust) }}
{{- $wrong = append $wrong "policies.catalogue without policies.trust: name the file of keys that vouch for it." }}
{{- end }}
{{- if ne (empty $v.links.secret) (empty $v.links.ids) }}
{{- $wrong = append $wrong "links.secret and links.ids go together: name both, or neither." }}
{{- end }}
{{- toJson $wrong -}}
{{- end }}

{{- define "refuse.network" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if and $v.network.policies $v.database.external.host (not $v.network.egress.database) }}
{{- $wrong = append $wrong "network.egress.database is empty, so the cell could not reach its database: name its networks." }}
{{- end }}
{{- if and $v.network.policies (ne $v.objects.url "folder") (not $v.network.egress.objects) }}
{{- $wrong = append $wrong "network.egress.objects is empty, so the cell could not reach its object store: name its networks." }}
{{- end }}
{{- if and $v.network.policies $v.place.attest.enabled (not $v.network.egress.api.networks) }}
{{- $wrong = append $wrong "network.egress.api.networks is empty, so no replica could find out where it is: name the API server's networks." }}
{{- end }}
{{- if and $v.network.policies $v.collector.endpoint (not $v.network.egress.telemetry.networks) }}
{{- $wrong = append $wrong "network.egress.telemetry.networks is empty, so the collector could send nothing: name its networks, or empty collector.endpoint." }}
{{- end }}
{{- if and $v.network.policies (ne $v.route.kind "none") (not $v.network.clients) }}
{{- $wrong = append $wrong "network.clients is empty, so no request could come in: name the labels of the ingress controller's namespace." }}
{{- end }}
{{- if and $v.network.policies $v.monitoring.serviceMonitor (not $v.network.monitors) }}
{{- $wrong = append $wrong "network.monitors is empty, so Prometheus could read nothing: name the labels of its namespace." }}
{{- end }}
{{- toJson $wrong -}}
{{- end }}

{{- define "refuse.ray" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if ne $v.ray.mode "none" }}
{{- if not (and $v.keeper.tlsSecret $v.keeper.tokenSecret.name) }}
{{- $wrong = append $wrong (printf "ray.mode %s needs keeper.tlsSecret and keeper.tokenSecret.name: studios write to the log over TLS, with a token." $v.ray.mode) }}
{{- end }}
{{- if not (and $v.marks.certificateSecret $v.marks.watermarkSecret.name) }}
{{- $wrong = append $wrong (printf "ray.mode %s needs marks.certificateSecret and marks.watermarkSecret.name: else every studio would draw its own." $v.ray.mode) }}
{{- end }}
{{- end }}
{{- if and (eq $v.ray.mode "static") (not $v.ray.tokenSecret.name) }}
{{- $wrong = append $wrong "ray.mode static needs ray.tokenSecret.name: Ray runs what anybody sends who shows the token." }}
{{- end }}
{{- if and (ne $v.ray.upgrade "none") (ne $v.ray.mode "rayservice") }}
{{- $wrong = append $wrong (printf "ray.upgrade %s needs ray.mode rayservice." $v.ray.upgrade) }}
{{- end }}
{{- if eq $v.ray.upgrade "incremental" }}
{{- if not $v.ray.incremental.gatewayClass }}
{{- $wrong = append $wrong "ray.upgrade incremental needs ray.incremental.gatewayClass, a class of the Gateway API that moves the load." }}
{{- end }}
{{- if gt (int $v.ray.incremental.step) (int $v.ray.incremental.surge) }}
{{- $wrong = append $wrong "ray.incremental.step is more than ray.incremental.surge: take smaller steps." }}
{{- end }}
{{- end }}
{{- if and (ne $v.ray.upgrade "none") $v.ray.devices }}
{{- $per := mul (int $v.engine.mostReplicas) (int $v.engine.tensorParallel) -}}
{{- $beside := ternary 100 (int $v.ray.incremental.surge) (eq $v.ray.upgrade "blueGreen") -}}
{{- $more := div (add (mul $per $beside) 99) 100 -}}
{{- if gt (int (add $per $more)) (int $v.ray.devices) }}
{{- $wrong = append $wrong (printf "ray.upgrade %s needs %d devices beside the %d in use, and ray.devices is %d: lower surge or mostReplicas, add nodes, or use upgrade none." $v.ray.upgrade (int $more) (int $per) (int $v.ray.devices)) }}
{{- end }}
{{- end }}
{{- toJson $wrong -}}
{{- end }}

{{- define "refuse.others" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if and (contains "/" $v.cell.region) (not $v.place.region) }}
{{- $wrong = append $wrong (printf "place.region is empty, and cell.region %s cannot be a node's label: write what the nodes are labelled with." $v.cell.region) }}
{{- end }}
{{- if and (eq $v.route.kind "gateway") (not $v.route.gateway.name) }}
{{- $wrong = append $wrong "route.kind gateway needs route.gateway.name." }}
{{- end }}
{{- if and (ne $v.route.kind "none") (not (hasPrefix "https://" $v.cell.origin)) }}
{{- $wrong = append $wrong "route.kind needs a cell.origin of https://HOST, under which clients come." }}
{{- end }}
{{- if and (eq $v.route.kind "ingress") (not $v.route.tlsSecret) }}
{{- $wrong = append $wrong "route.kind ingress needs route.tlsSecret: without it requests would come unencrypted." }}
{{- end }}
{{- if and $v.route.issuer.name (not $v.route.tlsSecret) }}
{{- $wrong = append $wrong "route.issuer.name needs route.tlsSecret, which cert-manager writes." }}
{{- end }}
{{- if and (ne $v.place.attest.document "none") (not $v.place.attest.enabled) }}
{{- $wrong = append $wrong "place.attest.document needs place.attest.enabled." }}
{{- end }}
{{- if and (ne $v.place.attest.document "none") (not $v.place.attest.keys) }}
{{- $wrong = append $wrong "place.attest.document needs place.attest.keys: a document that nobody vouches for proves nothing." }}
{{- end }}
{{- if and $v.service.nodePort (ne $v.service.type "NodePort") }}
{{- $wrong = append $wrong "service.nodePort needs service.type NodePort." }}
{{- end }}
{{- $drain := dig "jobs" "drain" 60 $v.settings -}}
{{- if le (float64 $v.gateway.graceSeconds) (float64 $drain) }}
{{- $wrong = append $wrong (printf "gateway.graceSeconds is not more than jobs.drain (%v), so a stopping pod could not hand its jobs back." $drain) }}
{{- end }}
{{- if and $v.monitoring.serviceMonitor (not $v.telemetry.metrics) }}
{{- $wrong = append $wrong "monitoring.serviceMonitor needs telemetry.metrics." }}
{{- end }}
{{- if and (or $v.monitoring.rules $v.monitoring.dashboards) (not $v.telemetry.metrics) }}
{{- $wrong = append $wrong "monitoring.rules and monitoring.dashboards need telemetry.metrics." }}
{{- end }}
{{- toJson $wrong -}}
{{- end }}
