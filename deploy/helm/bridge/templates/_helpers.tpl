{{/* The name of all objects: a DNS label that leaves room for a suffix. What had to be changed gets a hash, so that
     two releases never meet. */}}
{{- define "bridge.name" -}}
{{- $name := printf "bridge-%s" .Release.Name }}
{{- if regexMatch "^[a-z].*bridge|^bridge" .Release.Name }}{{ $name = .Release.Name }}{{ end }}
{{- $name = .Values.nameOverride | default $name }}
{{- $plain := $name | replace "." "-" }}
{{- if or (ne $plain $name) (gt (len $plain) 52) }}
{{- printf "%s-%s" ($plain | trunc 43 | trimSuffix "-") (sha256sum $name | trunc 8) }}
{{- else }}
{{- $plain }}
{{- end }}
{{- end }}

{{- define "bridge.selector" -}}
app.kubernetes.io/name: bridge
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "bridge.labels" -}}
{{ include "bridge.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "bridge-%s" .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "bridge.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "bridge.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What pods of .component read: ConfigMaps, and a Secret of the values among .settings; all called .name.
     Those of the migration are there before it, and leave with it. */}}
{{- define "bridge.files" -}}
{{- $metadata := include "bridge.fileMetadata" . }}
{{- if and .root.Values.schemas.files .root.Values.schemas.configMap }}
{{- fail "schemas: give files or configMap, not both" }}
{{- end }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  {{- $metadata | nindent 2 }}
data:
  bridge.toml: {{ .root.Values.config | default "# Nothing is configured: the chart's value `config` is empty." | quote }}
{{- if .root.Values.schemas.files }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}-schemas
  {{- $metadata | nindent 2 }}
data:
  {{- range $file, $text := .root.Values.schemas.files }}
  {{- if not (regexMatch "^[-._a-zA-Z0-9]+[.]avsc$" $file) }}
  {{- fail (printf "schemas.files: %q is no name of a schema's file: <subject>.avsc, of letters, digits, dots, dashes and underscores" $file) }}
  {{- end }}
  {{ $file }}: {{ quote $text }}
  {{- end }}
{{- end }}
{{- $values := dict }}
{{- range $name, $given := .settings }}
{{- if ($given | default dict).value }}{{ $_ := set $values $name $given.value }}{{ end }}
{{- end }}
{{- with $values }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $.name }}-secrets
  {{- $metadata | nindent 2 }}
stringData: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "bridge.fileMetadata" -}}
labels:
  {{- include "bridge.labels" . | nindent 2 }}
{{- if eq .component "migrate" }}
annotations:
  {{- include "bridge.hook" -5 | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where .settings are, as a map of names to {secret, key}; values are in the Secret of "bridge.files". Says what cannot
     be right; what another Secret has is only to be seen at an installation. */}}
{{- define "bridge.secrets" -}}
{{- $root := .root }}
{{- $own := printf "%s-secrets" .name }}
{{- $found := dict }}
{{- range $name, $given := .settings }}
{{- if or (hasPrefix "BRIDGE_" $name) (hasSuffix "_FILE" $name) (not (regexMatch "^[A-Z][A-Z0-9_]*$" $name)) }}
{{- fail (printf "secrets.%s: a name is that of the variable without BRIDGE_ and _FILE, like KAFKA_PROPERTIES_SASL_PASSWORD" $name) }}
{{- end }}
{{- if not $given }}{{/* taken away by null */}}
{{- else if $given.value }}
{{- $_ := set $found $name (dict "secret" $own "key" $name) }}
{{- else if $given.secret }}
{{- $key := $given.key | default $name }}
{{- $kept := lookup "v1" "Secret" $root.Release.Namespace $given.secret }}
{{- $data := $kept.data | default dict }}
{{- if and $kept (not (hasKey $data $key)) }}
{{- $has := keys $data | sortAlpha | join ", " | default "nothing" }}
{{- fail (printf "secrets.%s: the Secret %s in the namespace %s has no key %s (it has: %s); name the right one as secrets.%s.key" $name $given.secret $root.Release.Namespace $key $has $name) }}
{{- end }}
{{- $_ := set $found $name (dict "secret" $given.secret "key" $key) }}
{{- else }}
{{- fail (printf "secrets.%s has neither a Secret's name (secret) nor a value; secrets.%s=null takes it away" $name $name) }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* The secret settings of the migration: those of the relays, but perhaps for another role in Postgres. */}}
{{- define "bridge.migrationSettings" -}}
{{- $settings := deepCopy .Values.secrets }}
{{- $url := .Values.migrate.databaseUrl | default dict }}
{{- if or $url.secret $url.value }}{{ $_ := set $settings "DATABASE_URL" $url }}{{ end }}
{{- toJson $settings }}
{{- end }}

{{/* The restricted profile of Pod Security, whole. */}}
{{- define "bridge.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- if not (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}
  runAsUser: {{ .Values.runAsUser | int64 }}
  runAsGroup: {{ .Values.runAsUser | int64 }}
  fsGroup: {{ .Values.runAsUser | int64 }}
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What all containers have in common: .root, .secrets as bridge.secrets finds them. */}}
{{- define "bridge.container" -}}
image: {{ include "bridge.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - {name: BRIDGE_CONFIG, value: /etc/bridge/config/bridge.toml}
  {{- if or .root.Values.schemas.files .root.Values.schemas.configMap }}
  - {name: BRIDGE_SCHEMAS, value: /etc/bridge/schemas}
  {{- end }}
  {{- with .root.Values.kafka.bootstrapServers }}
  - {name: BRIDGE_KAFKA_BOOTSTRAP_SERVERS, value: {{ quote . }}}
  {{- end }}
  {{- with .root.Values.registry.url }}
  - {name: BRIDGE_REGISTRY_URL, value: {{ quote . }}}
  {{- end }}
  {{- range $name, $_ := .secrets }}
  - {name: BRIDGE_{{ $name }}_FILE, value: /run/secrets/bridge/{{ $name }}}
  {{- end }}
  {{- range .root.Values.env }}
  - {{ toJson . }}
  {{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/bridge/config, readOnly: true}
  {{- if or .root.Values.schemas.files .root.Values.schemas.configMap }}
  - {name: schemas, mountPath: /etc/bridge/schemas, readOnly: true}
  {{- end }}
  {{- if .secrets }}
  - {name: secrets, mountPath: /run/secrets/bridge, readOnly: true}
  {{- end }}
  - {name: tmp, mountPath: /tmp}
  {{- range .root.Values.volumeMounts }}
  - {{ toJson . }}
  {{- end }}
{{- end }}

{{/* .root, .secrets, and .name of the ConfigMaps. */}}
{{- define "bridge.volumes" -}}
volumes:
  - name: config
    configMap: {name: {{ .name }}}
  {{- if or .root.Values.schemas.files .root.Values.schemas.configMap }}
  - name: schemas
    configMap: {name: {{ .root.Values.schemas.configMap | default (printf "%s-schemas" .name) }}}
  {{- end }}
  {{- with .secrets }}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- range $name, $kept := . }}
        - secret:
            name: {{ $kept.secret }}
            items: [{key: {{ quote $kept.key }}, path: {{ $name }}}]
        {{- end }}
  {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: {{ .root.Values.tmpSizeLimit }}}
  {{- range .root.Values.volumes }}
  - {{ toJson . }}
  {{- end }}
{{- end }}

{{/* The ports that `named` (host:port,host:port, or a URL) names, and `ports`, as a list in JSON. */}}
{{- define "bridge.ports" -}}
{{- $ports := list }}
{{- range .ports }}{{ $ports = append $ports (int .) }}{{ end }}
{{- $rest := regexReplaceAll "[/?#].*$" (regexReplaceAll "^[a-z+]+://([^@/]*@)?" .named "") "" }}
{{- range splitList "," $rest }}
{{- with regexFind ":[0-9]+$" (trim .) }}{{ $ports = append $ports (trimPrefix ":" . | int) }}{{ end }}
{{- end }}
{{- if hasPrefix "https://" .named }}{{ if not (regexMatch ":[0-9]+$" $rest) }}{{ $ports = append $ports 443 }}{{ end }}{{ end }}
{{- if hasPrefix "http://" .named }}{{ if not (regexMatch ":[0-9]+$" $rest) }}{{ $ports = append $ports 80 }}{{ end }}{{ end }}
{{- toJson ($ports | uniq) }}
{{- end }}

{{/* Nothing where there are no ports, for a rule without them opens all. */}}
{{- define "bridge.egress" -}}
{{- with include "bridge.ports" . | fromJsonArray }}
- ports:
    {{- range . }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with $.to }}
  to: {{ toJson . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* OpenShift's answers at 5353, behind a Service at 53: which of them counts is the network's matter. */}}
{{- define "bridge.dns" -}}
- ports:
    {{- range ternary (list 53 5353) (list 53) (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
