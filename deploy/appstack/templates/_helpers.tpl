{{- define "appstack.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "appstack.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "appstack.labels" -}}
{{ include "appstack.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "appstack.serviceAccountName" -}}
{{- default (include "appstack.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "appstack.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* Content of /etc/appstack/settings.yaml: `settings` of the values, with defaults that depend on the release. */ -}}
{{- define "appstack.settings" -}}
{{- $own := dict "operatorNamespace" (include "appstack.operatorNamespace" .) -}}
{{- $_ := set $own "identity" (include "appstack.identity" .) -}}
{{- $_ := set $own "logFormat" (default "json" .Values.settings.logFormat) -}}
{{- if .Values.metrics.authorization -}}{{- $_ := set $own "metricsAuthorization" true -}}{{- end -}}
{{- with include "appstack.disabledKinds" . | fromYamlArray -}}{{- $_ := set $own "disabledKinds" . -}}{{- end -}}
{{- if not (or .Values.admission.leases .Values.settings.conflictCheck) -}}{{- $_ := set $own "conflictCheck" "OperatorNamespace" -}}{{- end -}}
{{- merge $own .Values.settings | toYaml -}}
{{- end -}}

{{- define "appstack.identity" -}}
{{- default (include "appstack.fullname" .) .Values.settings.identity -}}
{{- end -}}

{{- define "appstack.operatorNamespace" -}}
{{- default .Release.Namespace .Values.settings.operatorNamespace -}}
{{- end -}}

{{- define "appstack.metricsPort" -}}
{{- default 8080 .Values.settings.metricsPort | int -}}
{{- end -}}

{{- define "appstack.healthPort" -}}
{{- default 8081 .Values.settings.healthPort | int -}}
{{- end -}}
