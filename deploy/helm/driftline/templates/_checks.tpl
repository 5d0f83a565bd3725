{{- /* What the schema cannot say, said before anything is rendered. */ -}}
{{- define "driftline.check" -}}
{{- $replicas := int .Values.api.replicas -}}
{{- if include "driftline.sqlite" . -}}
{{- if or .Values.api.autoscaling.enabled (gt $replicas 1) -}}
{{- fail "database.kind is sqlite, which one pod alone may open: set api.autoscaling.enabled=false and api.replicas=1, or use PostgreSQL (database.kind=postgresql, database.existingSecret)" -}}
{{- end -}}
{{- else if not .Values.database.existingSecret -}}
{{- fail "database.existingSecret is empty: expected the name of a Secret that holds the URL of the PostgreSQL database (kubectl create secret generic driftline-database --from-literal=url=postgresql://...), or database.kind=sqlite for one replica" -}}
{{- end -}}
{{- if and (not (include "driftline.sqlite" .)) (not .Values.access.existingSecret) (not .Values.access.allowAnonymous) -}}
{{- fail "access.existingSecret is empty: replicas need the same tokens; expected the name of a Secret with the key tokens.yaml (docs/kubernetes.md), or access.allowAnonymous=true behind a proxy that authenticates" -}}
{{- end -}}
{{- end -}}
