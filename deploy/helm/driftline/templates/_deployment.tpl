{{- /* Arguments: dict "root" . "component" "api|worker" "command" (list) "port" 8000 */ -}}
{{- define "driftline.deployment" -}}
{{- $values := index .root.Values .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "driftline.fullname" .root }}-{{ .component }}
  labels: {{- include "driftline.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
{{- if not (and (eq .component "api") .root.Values.api.autoscaling.enabled) }}
  replicas: {{ $values.replicas }}
{{- end }}
  revisionHistoryLimit: 5
{{- if include "driftline.sqlite" .root }}
  strategy: {type: Recreate} # one pod alone may open the database
{{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end }}
  selector:
    matchLabels: {{- include "driftline.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels: {{- include "driftline.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- with $values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
{{- end }}
    spec: {{- include "driftline.podStart" .root | nindent 6 }}
      terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds }}
      containers:
        - name: {{ .component }}
          {{- include "driftline.image" .root | nindent 10 }}
          args: {{- toYaml .command | nindent 12 }}
          env: {{- include "driftline.environment" .root | nindent 12 }}
            - {name: DRIFTLINE_PORT, value: {{ .port | quote }}}
          ports:
            - {name: http, containerPort: {{ .port }}}
          securityContext: {{- include "driftline.containerSecurity" .root | nindent 12 }}
          {{- include "driftline.probes" .root | nindent 10 }}
          lifecycle:
            preStop: {exec: {command: [sleep, "5"]}} # until the Service no longer sends anything here
          resources: {{- toYaml $values.resources | nindent 12 }}
          volumeMounts: {{- include "driftline.mounts" .root | nindent 12 }}
      volumes: {{- include "driftline.volumes" .root | nindent 8 }}
      {{- include "driftline.placement" (dict "root" .root "component" .component) | nindent 6 }}
{{- end -}}
