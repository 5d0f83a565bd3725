{{- /* The parts that every pod shares. Arguments: the root context. */ -}}
{{- define "driftline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "driftline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "driftline.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{- define "driftline.podStart" -}}
serviceAccountName: {{ include "driftline.serviceAccount" . }}
automountServiceAccountToken: false
# A Service named driftline would inject DRIFTLINE_PORT=tcp://...; nothing here reads such variables.
enableServiceLinks: false
securityContext: {{- include "driftline.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "driftline.environment" -}}
- {name: DRIFTLINE_LOG_FORMAT, value: {{ .Values.logFormat | quote }}}
{{- if .Values.publicUrl }}
- {name: DRIFTLINE_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
{{- end }}
{{- if not (include "driftline.sqlite" .) }}
- {name: DRIFTLINE_DATABASE_URL_FILE, value: /etc/driftline/database/url}
{{- end }}
{{- if .Values.access.existingSecret }}
- {name: DRIFTLINE_CONFIG, value: /etc/driftline/server/server.yaml}
{{- end }}
{{- if .Values.access.allowAnonymous }}
- {name: DRIFTLINE_ALLOW_ANONYMOUS, value: "true"}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ printf "DRIFTLINE_%s" $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "driftline.mounts" -}}
- {name: data, mountPath: /var/lib/driftline}
- {name: tmp, mountPath: /tmp}
{{- if not (include "driftline.sqlite" .) }}
- {name: database, mountPath: /etc/driftline/database, readOnly: true}
{{- end }}
{{- if .Values.access.existingSecret }}
- {name: server, mountPath: /etc/driftline/server, readOnly: true}
- {name: tokens, mountPath: /etc/driftline/tokens, readOnly: true}
{{- end }}
{{- end -}}

{{- define "driftline.volumes" -}}
- name: data
{{- if include "driftline.sqlite" . }}
  persistentVolumeClaim: {claimName: {{ default (include "driftline.fullname" .) .Values.database.sqlite.existingClaim }}}
{{- else }}
  emptyDir: {sizeLimit: {{ .Values.dataDir.sizeLimit }}}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if not (include "driftline.sqlite" .) }}
- name: database
  secret:
    secretName: {{ .Values.database.existingSecret }}
    defaultMode: 0440
    items: [{key: {{ .Values.database.existingSecretKey }}, path: url}]
{{- end }}
{{- if .Values.access.existingSecret }}
- name: server
  configMap: {name: {{ include "driftline.fullname" . }}}
- name: tokens
  secret: {secretName: {{ .Values.access.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- define "driftline.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{- /* Arguments: dict "root" . "component" "api" */ -}}
{{- define "driftline.placement" -}}
{{- $values := index .root.Values .component -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "driftline.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
