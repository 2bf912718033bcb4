{{- /* Permissions for the namespaces that the operator reconciles, by resource and verb. It has none for Secrets. */ -}}
{{- define "appstack.namespacedRules" -}}
# AppStacks and their status.
- apiGroups: [appstack.dev]
  resources: [appstacks]
  verbs: [get, list, watch]
- apiGroups: [appstack.dev]
  resources: [appstacks/status]
  verbs: [patch]
# Owner references with blockOwnerDeletion need this if the cluster enforces OwnerReferencesPermissionEnforcement.
- apiGroups: [appstack.dev]
  resources: [appstacks/finalizers]
  verbs: [update]
# Children of an AppStack. Server-side apply needs `patch`, and `create` for a new object.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts, pods]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.rbac.kinds.statefulSets }}
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.daemonSets }}
- apiGroups: [apps]
  resources: [daemonsets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.jobs }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.cronJobs }}
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.persistentVolumeClaims }}
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.ingresses }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.networkPolicies }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.httpRoutes }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.serviceMonitors }}
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.horizontalPodAutoscalers }}
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.kinds.podDisruptionBudgets }}
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
# Revisions kept for a rollback: the operator keeps their files as long as they exist.
- apiGroups: [apps]
  resources: [replicasets, controllerrevisions]
  verbs: [list, watch]
# Events about failures and replacements.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
{{- end -}}

{{- /* The kinds of `rbac.kinds` that are false, as the setting `disabledKinds` names them. */ -}}
{{- define "appstack.disabledKinds" -}}
{{- $kinds := dict "ingresses" "Ingress" "networkPolicies" "NetworkPolicy" "httpRoutes" "HTTPRoute" -}}
{{- range $value, $enabled := .Values.rbac.kinds -}}
{{- if not $enabled }}
- {{ default (title $value | trimSuffix "s") (get $kinds $value) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The namespaces that get a Role each, as a list under `names`: empty if the operator needs a ClusterRole. */ -}}
{{- define "appstack.roleNamespaces" -}}
{{- $names := uniq (default list .Values.settings.namespaces) -}}
{{- $patterns := 0 -}}
{{- range $names -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" .) -}}{{- $patterns = add $patterns 1 -}}{{- end -}}
{{- end -}}
{{- dict "names" (ternary $names list (and (eq (int $patterns) 0) (le (len $names) 20))) | toYaml -}}
{{- end -}}
